/**
 * Pools: ways to spread the work of a server over Deno Workers.
 *
 * @module
 */

import type { EngineHandle } from "../engine/engine.ts";
import type { Log } from "../monitor/log.ts";
import type { MonitorHandle } from "../monitor/monitor.ts";
import type { ServerLimits } from "../net/limits.ts";
import type { Access } from "../net/listen.ts";

/** The strategies there are. */
export type PoolStrategy =
  /** A listener in each Worker; the job is a connection. */
  | "reuse-port"
  /** All Workers take from one queue; the job is a batch of requests. */
  | "shared-queue"
  /** A deque for each Worker, from which idle ones steal. */
  | "work-stealing"
  /** A new Worker for each job. To learn from, not to use. */
  | "naive";

/** All strategies, the default first. */
export const POOL_STRATEGIES: readonly PoolStrategy[] = [
  "reuse-port",
  "shared-queue",
  "work-stealing",
  "naive",
];

/** The most Workers: the index of a store has places for twice as many. */
export const MAX_THREADS = 128;

/** What a pool needs to serve. */
export interface PoolOptions {
  /** The engine that the Workers attach to. */
  readonly engine: EngineHandle;
  /** The number of Workers, from 1 to {@linkcode MAX_THREADS}. */
  readonly threads: number;
  /** What clients may use up. */
  readonly limits: ServerLimits;
  /** The most connections that a thread accepts before it serves the first. */
  readonly acceptAhead: number;
  /** What is asked of clients. */
  readonly access: Access;
  /** What the threads count in. */
  readonly monitor: MonitorHandle;
  /** Where events go. */
  readonly log: Log;
}

/** A pool of Workers that serve one address. */
export interface ThreadPool {
  /**
   * Starts the Workers and serves an address.
   *
   * @param address Where to listen; port 0 is any free port.
   * @returns Where it listens, once it does.
   * @throws {Deno.errors.AddrInUse} If somebody listens there already.
   */
  listen(address: Deno.NetAddr): Promise<Deno.NetAddr>;
  /**
   * Stops accepting, finishes the requests that were received, and ends the
   * Workers.
   *
   * @param timeoutMs How many milliseconds that may take.
   * @throws {Error} If it takes longer. The Workers may still use the engine
   * then, so it must not be closed; end the process instead.
   */
  close(timeoutMs: number): Promise<void>;
}
