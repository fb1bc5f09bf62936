/**
 * Counting what happens within the time of a plan.
 *
 * @module
 */

import { Histogram } from "../../monitor/histogram.ts";
import type { Libc } from "./libc.ts";
import type { LoadPlan } from "./plan.ts";

/** What one thread of the generator counted. */
export interface ThreadResult {
  /** Requests that were answered. */
  readonly requests: number;
  /** The same, and those of the warm-up. */
  readonly requestsInAll: number;
  /** In so many milliseconds. */
  readonly elapsedMs: number;
  /** Processor time that the thread used meanwhile, in milliseconds. */
  readonly cpuMs: number;
  /** How long they took, see {@linkcode Histogram.counts}. */
  readonly counts: Float64Array;
}

/** Counts requests from the end of the warm-up to the end of the plan. */
export class Meter {
  readonly #libc: Libc;
  readonly #histogram = new Histogram();
  readonly #endMs: number;
  #startMs: number;
  #startCpuMs: number;
  #isWarm: boolean;
  #requests = 0;
  #requestsInAll = 0;

  constructor(libc: Libc, plan: LoadPlan) {
    this.#libc = libc;
    this.#startMs = performance.now();
    this.#startCpuMs = libc.threadCpuMs();
    this.#isWarm = plan.isFill === true;
    if (!this.#isWarm) this.#startMs += plan.warmupMs;
    this.#endMs = this.#isWarm ? Infinity : this.#startMs + plan.measureMs;
  }

  /** Takes note of the time. */
  isOver(nowMs: number): boolean {
    if (!this.#isWarm && nowMs >= this.#startMs) {
      this.#isWarm = true;
      this.#startMs = nowMs;
      this.#startCpuMs = this.#libc.threadCpuMs();
      this.#histogram.clear();
      this.#requests = 0;
    }
    return nowMs >= this.#endMs;
  }

  /** Counts requests that were answered. */
  count(count: number, latencyMs: number): void {
    this.#requests += count;
    this.#requestsInAll += count;
    this.#histogram.record(latencyMs, count);
  }

  /** What was counted until now. */
  result(): ThreadResult {
    return {
      requests: this.#requests,
      requestsInAll: this.#requestsInAll,
      elapsedMs: performance.now() - this.#startMs,
      cpuMs: this.#libc.threadCpuMs() - this.#startCpuMs,
      counts: this.#histogram.counts(),
    };
  }
}
