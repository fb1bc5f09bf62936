/**
 * Snapshots of a store in memory, for tests of what stands around them.
 *
 * @module
 */

import type { EngineSnapshot } from "../../engine/engine.ts";
import { Snapshots } from "../../net/snapshots.ts";
import { Gauges } from "../../monitor/gauges.ts";
import { MemoryEngine } from "../_memory_engine.ts";

/** Takes snapshots, counts them, and fails on demand. */
export class SnapshotTaker {
  /** The snapshots, as a thread has them. */
  readonly snapshots: Snapshots;
  /** How many were opened. */
  opened = 0;
  /** How many are open. */
  open = 0;
  /** What opening one fails with. */
  failure: Error | undefined;
  /** Until when opening one takes. */
  gate: Promise<void> = Promise.resolve();
  readonly #engine: MemoryEngine;

  /**
   * @param engine The store.
   * @param gauges What the threads share.
   * @param member Which of them this is.
   */
  constructor(engine: MemoryEngine, gauges = Gauges.share(1), member = 0) {
    this.#engine = engine;
    this.snapshots = new Snapshots(
      new Gauges(gauges, member),
      (signal) => this.#open(signal),
    );
  }

  async #open(signal: AbortSignal): Promise<EngineSnapshot> {
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort);
    await Promise.race([this.gate, aborted.promise]);
    signal.removeEventListener("abort", abort);
    if (this.failure !== undefined) throw this.failure;
    const { entries } = await this.#engine.scan({ limit: Infinity });
    const copy = new MemoryEngine();
    await copy.write(
      entries.map(({ key, value }) => ({ key, value })),
    );
    this.opened++;
    this.open++;
    const close = () => {
      this.open--;
      return Promise.resolve();
    };
    return {
      scan: async (range) => await copy.scan(range),
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}
