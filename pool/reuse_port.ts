/**
 * The pool `reuse-port`: a listener in each Worker, all on one port.
 *
 * @module
 */

import type { PoolOptions, ThreadPool } from "./pool.ts";
import type {
  ReusePortMessage,
  ReusePortRequest,
} from "./reuse_port_worker.ts";
import { resolvesWithin } from "./time_limit.ts";

/** Deaths of Workers, within the interval, after which the pool gives up. */
const MAX_DEATHS = 5;
const DEATHS_INTERVAL_MS = 60_000;

/** A Worker, and what it has told so far. */
interface Member {
  readonly worker: Worker;
  readonly listening: Promise<Deno.NetAddr>;
  readonly stopped: Promise<void>;
}

/**
 * A pool whose job is a connection: every Worker listens on the same port, and
 * the kernel deals connections out (SO_REUSEPORT). Nothing is copied from
 * thread to thread. Where the platform does not spread connections (anywhere
 * but on Linux), one Worker does all.
 */
export class ReusePortPool implements ThreadPool {
  readonly failed: Promise<never>;
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  readonly #fail: (error: Error) => void;
  readonly #deathsMs: number[] = [];
  #closing = false;

  /** @param options See {@linkcode PoolOptions}. */
  constructor(options: PoolOptions) {
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#fail = reject;
    // Whoever does not wait for it need not hear of it.
    promise.catch(() => {});
  }

  /** The number of Workers. */
  get threads(): number {
    return Deno.build.os === "linux" ? this.#options.threads : 1;
  }

  /** @inheritdoc */
  async listen(address: Deno.NetAddr): Promise<Deno.NetAddr> {
    const free = probe(address);
    const members = Array.from(
      { length: this.threads },
      () => this.#start(free),
    );
    const [bound] = await Promise.all(members.map((m) => m.listening));
    return bound;
  }

  /** @inheritdoc */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const members = [...this.#members];
    for (const { worker } of members) {
      worker.postMessage({ kind: "stop" } satisfies ReusePortRequest);
    }
    const stopped = Promise.all(members.map((member) => member.stopped));
    if (!await resolvesWithin(stopped, timeoutMs)) {
      // Not terminated: native code that an engine runs in a Worker does not
      // survive that, and would take the process with it.
      throw new Error(`Workers did not stop within ${timeoutMs} ms`);
    }
    for (const { worker } of members) worker.terminate();
  }

  #start(address: Deno.NetAddr): Member {
    const { engine, limits, log } = this.#options;
    const worker = new Worker(
      new URL("./reuse_port_worker.ts", import.meta.url),
      { type: "module", name: "kvs-listener" },
    );
    const listening = Promise.withResolvers<Deno.NetAddr>();
    const stopped = Promise.withResolvers<void>();
    const member: Member = {
      worker,
      listening: listening.promise,
      stopped: stopped.promise,
    };
    this.#members.add(member);
    worker.onmessage = ({ data }: MessageEvent<ReusePortMessage>) => {
      if (data.kind === "log") log(data.level, data.message);
      else if (data.kind === "listening") listening.resolve(data.address);
      else if (data.kind === "failed") listening.reject(data.error);
      else stopped.resolve();
    };
    worker.onerror = (event) => {
      // Without this the error would end the whole process.
      event.preventDefault();
      const error = new Error(`Worker died: ${event.message}`);
      stopped.resolve();
      listening.reject(error);
      this.#members.delete(member);
      if (!this.#closing) this.#replace(address, error);
    };
    worker.postMessage(
      { kind: "start", engine, address, limits } satisfies ReusePortRequest,
    );
    return member;
  }

  #replace(address: Deno.NetAddr, error: Error): void {
    const { log } = this.#options;
    const nowMs = performance.now();
    this.#deathsMs.push(nowMs);
    while (this.#deathsMs[0] < nowMs - DEATHS_INTERVAL_MS) {
      this.#deathsMs.shift();
    }
    if (this.#deathsMs.length > MAX_DEATHS) {
      this.#fail(
        new Error(`Too many Workers died; the last: ${error.message}`),
      );
      return;
    }
    log("error", `${error.message}; starting another`);
    this.#start(address).listening.catch((error) => this.#fail(error));
  }
}

/**
 * Makes sure that nobody listens at an address: Workers that share a port
 * would also share it with another server of the same user, unasked.
 *
 * @returns The address, with a free port in place of 0.
 */
function probe(address: Deno.NetAddr): Deno.NetAddr {
  using listener = Deno.listen({
    hostname: address.hostname,
    port: address.port,
  });
  const { hostname, port } = listener.addr as Deno.NetAddr;
  return { transport: "tcp", hostname, port };
}
