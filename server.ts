/**
 * The server.
 *
 * @module
 */

import type { KvsEngine } from "./engine/engine.ts";
import { ClosedError } from "./engine/errors.ts";
import { exposition } from "./monitor/exposition.ts";
import type { Log } from "./monitor/log.ts";
import { MetricsPage } from "./monitor/metrics_page.ts";
import {
  type MonitorHandle,
  readMonitor,
  shareMonitor,
  statsOf,
} from "./monitor/monitor.ts";
import type { ServerStats } from "./protocol/server_stats.ts";
import { WriteAlarm } from "./monitor/write_alarm.ts";
import { checkReachWithoutToken, hashToken } from "./net/auth.ts";
import {
  type DescriptorBudget,
  descriptorBudget,
} from "./net/descriptor_budget.ts";
import { SOCKET_CHOICES, type SocketChoice } from "./net/listen.ts";
import { type AllLimits, allLimits, type ServerLimits } from "./net/limits.ts";
import { choosePool, makePool } from "./pool/make_pool.ts";
import { readDescriptorUse } from "./net/native/descriptors.ts";
import {
  MAX_THREADS,
  type PoolStrategy,
  type ThreadPool,
} from "./pool/pool.ts";
import { formatAddr, parseAddr } from "./addr.ts";
import { checkChoice } from "./options.ts";
import { checkedToken } from "./protocol/token.ts";

/** Options of {@linkcode KvsServer.start}. */
export interface KvsServerOptions {
  /**
   * Where to listen, as `host:port`; port 0 is any free port. What others than
   * this machine can reach needs a token.
   *
   * @default {"127.0.0.1:4000"}
   */
  readonly addr?: string;
  /**
   * How the work is spread over Workers. `reuse-port` needs `--unstable-net`,
   * or `--allow-ffi` on Linux without TLS.
   *
   * @default {"reuse-port"} where that works, else `shared-queue`
   */
  readonly pool?: PoolStrategy;
  /**
   * Which sockets the pool `reuse-port` serves on: `native` are those of the C
   * library, which need Linux with glibc and `--allow-ffi`, and do not speak
   * TLS; `deno` are those of `Deno.listen`; `auto` are the first where they can
   * be used, else the second. The other pools serve on Deno's.
   *
   * @default {"auto"}
   */
  readonly sockets?: SocketChoice;
  /**
   * The number of Workers, from 1 to 128.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly threads?: number;
  /**
   * What clients have to show before anything else: one line, at most 4,096
   * bytes.
   *
   * @default nothing
   */
  readonly token?: string;
  /**
   * The certificate and its key, both PEM, to speak TLS.
   *
   * @default plain TCP
   */
  readonly tls?: Deno.TlsCertifiedKeyPem;
  /**
   * Where to serve `/metrics` for Prometheus over HTTP, as `host:port`; port 0
   * is any free port. Anyone who can connect may read it, without token and
   * without TLS; there are no keys or values in it.
   *
   * @default nowhere
   */
  readonly metrics?: string;
  /** What clients may use up, of size and of time. */
  readonly limits?: ServerLimits;
  /** Stops the server when it aborts. */
  readonly signal?: AbortSignal;
  /**
   * Called with events that are worth a line in a log.
   *
   * @default nothing
   */
  readonly log?: Log;
}

/** How long a stop may take, in milliseconds. */
const STOP_TIMEOUT_MS = 4_000;
/** How much longer for each Worker: on few cores they end one after another. */
const STOP_TIMEOUT_PER_WORKER_MS = 100;

/**
 * A server for an engine.
 *
 * @example
 * ```ts
 * import { KvsClient, KvsServer, KvStore } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await using server = await KvsServer.start(store, { addr: "127.0.0.1:0" });
 * await using client = await KvsClient.connect(server.addr);
 * await client.set("k", "v");
 * assertEquals(store.get("k"), "v");
 * ```
 */
export class KvsServer implements AsyncDisposable {
  /** Where it listens, as `host:port`. */
  readonly addr: string;
  /** Where it serves `/metrics`, as `host:port`, if it does. */
  readonly metricsAddr: string | undefined;
  /** Resolves when the server has stopped; rejects if that takes too long. */
  readonly finished: Promise<void>;
  readonly #pool: ThreadPool;
  readonly #engine: KvsEngine;
  readonly #monitor: MonitorHandle;
  readonly #page: MetricsPage | undefined;
  readonly #alarm: WriteAlarm;
  readonly #signal: AbortSignal | undefined;
  readonly #stopping = Promise.withResolvers<void>();
  #stopped: Promise<void> | undefined;

  private constructor(
    addr: string,
    pool: ThreadPool,
    engine: KvsEngine,
    monitor: MonitorHandle,
    page: MetricsPage | undefined,
    signal: AbortSignal | undefined,
    log: Log,
  ) {
    this.addr = addr;
    this.metricsAddr = page?.addr;
    this.#page = page;
    this.#engine = engine;
    this.#monitor = monitor;
    this.#pool = pool;
    this.#alarm = new WriteAlarm(() => engine.stats(), log);
    this.#alarm.start();
    this.finished = this.#stopping.promise;
    // A caller that does not wait for it need not handle it.
    this.finished.catch(() => {});
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
  }

  /**
   * Serves an engine. The engine must stay open until the server has stopped.
   *
   * @param engine The engine.
   * @param options See {@linkcode KvsServerOptions}.
   * @returns The server, listening.
   * @throws {TypeError} If an option is of another type than it says, or if
   * the address, the pool or the sockets are none.
   * @throws {RangeError} If another option is out of range.
   * @throws {Error} If it can't listen there, or must not without a token, or
   * can't serve on the sockets or with the pool that are asked for.
   * @throws The reason of the signal, if it aborts before that.
   */
  static async start(
    engine: KvsEngine,
    options: KvsServerOptions = {},
  ): Promise<KvsServer> {
    const {
      addr = "127.0.0.1:4000",
      threads = navigator.hardwareConcurrency,
      token,
      tls,
      sockets = "auto",
      metrics,
      signal,
      log = () => {},
    } = options;
    checkTypes(options);
    checkChoice("sockets", sockets, SOCKET_CHOICES);
    signal?.throwIfAborted();
    if (
      !(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)
    ) {
      throw new RangeError(
        `Number of threads must be from 1 to ${MAX_THREADS}, found ${threads}`,
      );
    }
    const { hostname, port } = parseAddr(addr);
    const pageAddr = metrics === undefined ? undefined : parseAddr(metrics);
    if (token === undefined) checkReachWithoutToken(addr);
    const tokenHash = token === undefined
      ? undefined
      : hashToken(checkedToken(token));
    const access = { tokenHash, tls, sockets };
    const strategy = choosePool(options.pool, access, log);
    const budget = descriptorBudget(readDescriptorUse(), threads, engine.name);
    const limits = capConnections(allLimits(options.limits), budget, log);
    const monitor = shareMonitor(strategy, threads);
    const pool = makePool(strategy, {
      engine: engine.share(),
      threads,
      limits,
      acceptAhead: budget.acceptAhead,
      access,
      monitor,
      log,
    });
    let page: MetricsPage | undefined;
    try {
      if (pageAddr !== undefined) {
        page = await listening(formatAddr(pageAddr), () =>
          new MetricsPage(
            pageAddr,
            async () => exposition(await readMonitor(monitor, engine)),
            log,
          ));
      }
      const bound = await listening(
        addr,
        () => pool.listen({ transport: "tcp", hostname, port }),
      );
      signal?.throwIfAborted();
      return new KvsServer(
        formatAddr(bound),
        pool,
        engine,
        monitor,
        page,
        signal,
        log,
      );
    } catch (error) {
      await page?.close();
      await pool.close(stopTimeoutMs(threads));
      signal?.throwIfAborted();
      throw error;
    }
  }

  /**
   * The statistics of the server and its store, as `{"Stats":{}}` gives them.
   *
   * @throws {ClosedError} If the server was stopped, or its store closed.
   */
  async stats(): Promise<ServerStats> {
    if (this.#stopped !== undefined) throw new ClosedError("Server");
    return statsOf(await readMonitor(this.#monitor, this.#engine));
  }

  /**
   * Stops accepting, answers what was received, and ends the Workers. A second
   * call waits for the first.
   *
   * @throws {Error} If that takes longer than four seconds, and a tenth of one
   * for each Worker. They may still use the engine then, so it must not be
   * closed; end the process instead.
   */
  stop(): Promise<void> {
    if (this.#stopped === undefined) {
      this.#signal?.removeEventListener("abort", this.#abort);
      this.#stopped = this.#stop();
      this.#stopping.resolve(this.#stopped);
    }
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#alarm.stop();
    await this.#page?.close();
    await this.#pool.close(stopTimeoutMs(this.#monitor.threads));
  }

  /** Its outcome is that of {@linkcode finished}. */
  readonly #abort = (): void => {
    this.stop().catch(() => {});
  };

  /** Stops the server at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

const OPTION_TYPES: Readonly<Partial<Record<keyof KvsServerOptions, string>>> =
  {
    addr: "string",
    pool: "string",
    token: "string",
    tls: "object",
    metrics: "string",
    limits: "object",
    signal: "object",
    log: "function",
  };

/** Checks what a program without types may have mixed up. */
function checkTypes(options: KvsServerOptions): void {
  for (const [name, type] of Object.entries(OPTION_TYPES)) {
    const value = options[name as keyof KvsServerOptions];
    if (value === undefined || value !== null && typeof value === type) {
      continue;
    }
    // What a token is like stays a secret, even where it is none.
    const found = name === "token" ? typeof value : String(value);
    throw new TypeError(
      `Option ${name} must be of type ${type}, found ${found}`,
    );
  }
}

/** Leaves descriptors to everything but connections. */
function capConnections(
  limits: AllLimits,
  { maxConnections }: DescriptorBudget,
  log: Log,
): AllLimits {
  if (limits.maxConnections <= maxConnections) return limits;
  log(
    "warn",
    `Serving at most ${maxConnections} connections at a time instead of ${limits.maxConnections}: there are too few file descriptors for more (see "ulimit -n")`,
    { maxConnections },
  );
  return { ...limits, maxConnections };
}

/** Listens, or says where that was not possible. */
async function listening<T>(
  addr: string,
  listen: () => T | Promise<T>,
): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse
      ? "address already in use"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Error(`Cannot listen on ${addr}: ${reason}`, { cause: error });
  }
}

function stopTimeoutMs(threads: number): number {
  return STOP_TIMEOUT_MS + threads * STOP_TIMEOUT_PER_WORKER_MS;
}
