/**
 * What all instances of a store know of its compactions and its upkeep.
 *
 * @module
 */

import type { CompactionReport } from "../../engine.ts";
import type { Holder } from "../../sync/instance_lock.ts";
import { Leadership, LEADERSHIP_WORDS } from "../../sync/leadership.ts";

// Words of shared memory.
const LEADER = 0;
const STOPS = LEADER + LEADERSHIP_WORDS;
const ALL = STOPS + 1;
const FAILED = STOPS + 2;
const RETRY = STOPS + 3;
const UPKEEP = STOPS + 4;
/** Two 64-bit floats: bytes before and after the last compaction. */
const REPORT = 8;
const STATE_WORDS = REPORT + 4;

/** After a failure no compaction starts by itself for this long. */
const RETRY_AFTER_MS = 60_000;

/** Asking for it takes as long as asking for the time. */
const TIME_ORIGIN_MS = performance.timeOrigin;

/** The words that instances share to compact one at a time. */
export class CompactionState {
  readonly memory: SharedArrayBuffer;
  /** One instance compacts for all. */
  readonly leadership: Leadership;
  readonly #words: Int32Array;
  readonly #report: Float64Array;

  private constructor(memory: SharedArrayBuffer, holder: Holder) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#report = new Float64Array(memory, REPORT * 4, 2);
    this.leadership = new Leadership(this.#words, LEADER, holder);
  }

  /** Makes the state of a store that is being opened. */
  static create(holder: Holder): CompactionState {
    const memory = new SharedArrayBuffer(STATE_WORDS * 4);
    return new CompactionState(memory, holder);
  }

  /** Attaches to another instance's state. */
  static attach(memory: SharedArrayBuffer, holder: Holder): CompactionState {
    return new CompactionState(memory, holder);
  }

  /** Whether the compaction that is under way should end early. */
  get stops(): boolean {
    return Atomics.load(this.#words, STOPS) !== 0;
  }

  set stops(stops: boolean) {
    Atomics.store(this.#words, STOPS, stops ? 1 : 0);
  }

  /** Whether the compaction under way takes all that can be reclaimed. */
  get isOfAll(): boolean {
    return Atomics.load(this.#words, ALL) !== 0;
  }

  set isOfAll(isOfAll: boolean) {
    Atomics.store(this.#words, ALL, isOfAll ? 1 : 0);
  }

  /** Whether a compaction has failed a while ago, and may fail again. */
  get isPaused(): boolean {
    const retryMs = Atomics.load(this.#words, RETRY);
    const leftMs = retryMs - clockMs() | 0;
    return retryMs !== 0 && leftMs > 0 && leftMs <= RETRY_AFTER_MS;
  }

  /** Notes that a compaction has failed. */
  pause(): void {
    Atomics.store(this.#words, RETRY, clockMs() + RETRY_AFTER_MS | 0);
  }

  /** What the last compaction did; `undefined` where it failed. */
  get report(): CompactionReport | undefined {
    if (Atomics.load(this.#words, FAILED) !== 0) return undefined;
    return { bytesBefore: this.#report[0], bytesAfter: this.#report[1] };
  }

  set report(report: CompactionReport | undefined) {
    if (report !== undefined) {
      this.#report[0] = report.bytesBefore;
      this.#report[1] = report.bytesAfter;
    }
    Atomics.store(this.#words, FAILED, report === undefined ? 1 : 0);
  }

  /**
   * Takes on the upkeep of the store if it is overdue: the timer of the
   * instance that opened it fires only if its thread's event loop turns.
   *
   * @param afterMs How long ago the last upkeep was, in milliseconds.
   * @returns Whether it is this instance's to do now.
   */
  takeUpkeep(afterMs: number): boolean {
    const nowMs = clockMs();
    const lastMs = Atomics.load(this.#words, UPKEEP);
    if ((nowMs - lastMs | 0) < afterMs) return false;
    const found = Atomics.compareExchange(this.#words, UPKEEP, lastMs, nowMs);
    return found === lastMs;
  }
}

/** A clock of all threads, in ms. It wraps at 32 bits: only differences count. */
function clockMs(): number {
  return TIME_ORIGIN_MS + performance.now() | 0;
}
