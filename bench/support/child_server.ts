/**
 * Servers under test, each a process of its own.
 *
 * @module
 */

import type { EngineName, SyncMode } from "../../engine/engine.ts";
import type { PoolStrategy } from "../../pool/pool.ts";
import { kvsArgs, modulePath } from "./deno_flags.ts";
import { linesOf } from "./lines.ts";

/** How long a server may take to listen, and to end, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** How often to ask a server whether it listens yet, in milliseconds. */
const PROBE_INTERVAL_MS = 20;

/** The unit in which Linux counts processor time for programs. */
const MS_PER_TICK = 10;

/** How to start a kvs server. */
export interface KvsServerPlan {
  /** The data directory. */
  readonly dir: string;
  /** The engine; a directory that has one keeps it. */
  readonly engine: EngineName;
  /** How work is spread over Workers. */
  readonly pool: PoolStrategy;
  /** The number of Workers. */
  readonly threads: number;
  /** When an answered write is on disk. */
  readonly sync: SyncMode;
  /** Further arguments of `kvs serve`. */
  readonly args?: readonly string[];
}

/** A server in a process of its own; ended after an `await using` block. */
export class ChildServer implements AsyncDisposable {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Its process id. */
  readonly pid: number;
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess, port: number) {
    this.#child = child;
    this.pid = child.pid;
    this.port = port;
  }

  /** Starts `kvs serve`. */
  static async startKvs(plan: KvsServerPlan): Promise<ChildServer> {
    const { dir, engine, pool, threads, sync, args = [] } = plan;
    const child = new Deno.Command(Deno.execPath(), {
      args: kvsArgs([
        ...["serve", "--addr", "127.0.0.1:0", "--dir", dir],
        ...["--engine", engine, "--pool", pool, "--threads", `${threads}`],
        ...["--sync", sync, ...args],
      ]),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    return await ChildServer.#onceListening(
      child,
      child.stderr,
      /Listening on \S+:([0-9]+)$/,
    );
  }

  /** Starts the echo server. */
  static async startEcho(
    threads: number,
    replyBytes: number,
  ): Promise<ChildServer> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-config", "--unstable-net"],
        ...["--allow-net", "--allow-read"],
        modulePath("../load/echo_server.ts", import.meta.url),
        ...[`${threads}`, `${replyBytes}`],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    return await ChildServer.#onceListening(child, child.stdout, /^([0-9]+)$/);
  }

  /** Starts redis-server. */
  static async startRedis(
    dir: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<ChildServer> {
    const port = freePort();
    const child = new Deno.Command("redis-server", {
      args: [
        ...["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir],
        // Snapshots would be a second way to be durable, beside the log.
        ...["--save", ""],
        ...Object.entries(settings).flatMap(([key, value]) => [
          `--${key}`,
          value,
        ]),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const server = new ChildServer(child, port);
    await server.#untilConnects();
    return server;
  }

  /** The memory it has in use, in bytes. */
  get rssBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(/^VmRSS:\s*([0-9]+) kB$/m.exec(status)?.[1]) * 1024;
  }

  /** How many files and connections it has open. */
  get openFiles(): number {
    return [...Deno.readDirSync(`/proc/${this.pid}/fd`)].length;
  }

  /** What it has read from disk so far, in bytes. */
  get diskReadBytes(): number {
    const io = Deno.readTextFileSync(`/proc/${this.pid}/io`);
    return Number(/^read_bytes: ([0-9]+)$/m.exec(io)?.[1]);
  }

  /** The processor time that it has used, in milliseconds, by tens. */
  get cpuMs(): number {
    const stat = Deno.readTextFileSync(`/proc/${this.pid}/stat`);
    // Behind the name, which may hold anything: state, then ten more numbers.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<number> {
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), TIMEOUT_MS);
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already.
    }
    const { code } = await this.#child.status;
    clearTimeout(killer);
    return code;
  }

  /** Ends it, and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  static async #onceListening(
    child: Deno.ChildProcess,
    output: ReadableStream<Uint8Array<ArrayBuffer>>,
    pattern: RegExp,
  ): Promise<ChildServer> {
    const killer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
    const found = Promise.withResolvers<number | undefined>();
    // Reads on to the end, since a full pipe would hold the server up.
    const log: string[] = [];
    (async () => {
      for await (const line of linesOf(output)) {
        const port = pattern.exec(line)?.[1];
        if (port !== undefined) found.resolve(Number(port));
        log.push(line);
      }
      found.resolve(undefined);
    })();
    const port = await found.promise;
    clearTimeout(killer);
    if (port !== undefined) return new ChildServer(child, port);
    await child.status;
    throw new Error(`Server ended as it started:\n${log.join("\n")}`);
  }

  async #untilConnects(): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    const { port } = this;
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return;
      } catch (error) {
        if (performance.now() > deadline) {
          this.#child.kill("SIGKILL");
          throw error;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
    }
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
