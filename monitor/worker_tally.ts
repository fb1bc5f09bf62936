/**
 * Counting Workers that die.
 *
 * @module
 */

import { Counters } from "./counters.ts";
import type { MonitorHandle } from "./monitor.ts";

/** What the main thread notes of its Workers, for whoever watches the server. */
export class WorkerTally {
  readonly #counters: Counters;
  readonly #down: Int32Array;

  /** @param monitor The server's. */
  constructor(monitor: MonitorHandle) {
    this.#counters = new Counters(monitor.counters, monitor.threads);
    this.#down = new Int32Array(monitor.workersDown);
  }

  /** Counts a death. */
  died(): void {
    this.#counters.add("deaths");
  }

  /** Notes how many are not replaced yet. */
  setDown(count: number): void {
    Atomics.store(this.#down, 0, count);
  }
}
