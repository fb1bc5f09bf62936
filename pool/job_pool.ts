/**
 * The pools whose job is a batch of requests: one thread accepts and reads,
 * Workers run what was read.
 *
 * @module
 */

import type { EngineHandle } from "../engine/engine.ts";
import { loadSnapshots, openSnapshot } from "../engine/open.ts";
import { Counters } from "../monitor/counters.ts";
import { gated } from "../net/auth.ts";
import { ConnectionSet } from "../net/connection_set.ts";
import { type Access, listen } from "../net/listen.ts";
import type { JobRunner } from "./job_board.ts";
import { Limiter } from "../net/limiter.ts";
import { allLimits } from "../net/limits.ts";
import type { PoolOptions, ThreadPool } from "./pool.ts";
import { JobHandler } from "./job_handler.ts";
import { ConnectionSnapshot, Snapshots } from "../net/snapshots.ts";
import type { TransportListener } from "../net/transport.ts";
import { Gauges } from "../monitor/gauges.ts";

/** A pool that accepts connections on this thread. */
export class JobPool implements ThreadPool {
  readonly #runner: JobRunner;
  readonly #connections: ConnectionSet;
  readonly #snapshots: Snapshots;
  readonly #access: Access;
  readonly #engine: EngineHandle;
  #listener: TransportListener | undefined;
  #accepting: Promise<void> | undefined;

  constructor(runner: JobRunner, options: PoolOptions) {
    const { engine, threads, limits, access, monitor, log } = options;
    const counters = new Counters(monitor.counters, threads);
    this.#runner = runner;
    this.#access = access;
    this.#engine = engine;
    const gauges = new Gauges(monitor.gauges, 0);
    const snapshots = new Snapshots(
      gauges,
      (signal) => openSnapshot(engine, { signal }),
    );
    this.#snapshots = snapshots;
    this.#connections = new ConnectionSet(
      gated({
        makeHandler: () =>
          new JobHandler(
            runner.board,
            new ConnectionSnapshot(snapshots),
            counters,
          ),
        tokenHash: access.tokenHash,
        limits,
        counters,
      }),
      log,
      new Limiter(allLimits(limits), gauges, counters),
    );
  }

  /** @inheritdoc */
  async listen(address: Deno.NetAddr): Promise<Deno.NetAddr> {
    await loadSnapshots(this.#engine);
    const { hostname, port } = address;
    const listener = listen({ hostname, port }, this.#access);
    this.#listener = listener;
    await this.#runner.start();
    this.#accepting = this.#connections.acceptFrom(listener);
    return listener.addr;
  }

  /** @inheritdoc */
  async close(timeoutMs: number): Promise<void> {
    this.#listener?.close();
    // Only when no accept holds it any more is the port free for others.
    await this.#accepting;
    const deadline = performance.now() + timeoutMs;
    await this.#connections.close(timeoutMs / 2);
    await this.#snapshots.close();
    await this.#runner.stop(deadline - performance.now());
  }
}
