/**
 * What the threads of a server count, in shared memory.
 *
 * @module
 */

import { REQUEST_KINDS } from "../protocol/request.ts";
import { Histogram, HISTOGRAM_COUNTS } from "./histogram.ts";

/** What is counted. */
export const COUNTED = [
  ...REQUEST_KINDS,
  /** Lines that are no request. */
  "invalid",
  /** Requests that were answered with an error, invalid ones included. */
  "errors",
  /** Requests of clients that have not shown the token. */
  "denied",
  /** Connections that were accepted. */
  "connections",
  /** Connections that were refused since there were too many. */
  "refused",
  /** Workers of the pool that died. */
  "deaths",
] as const;

/** One of the things that are counted. */
export type Counted = (typeof COUNTED)[number];

const INDEX = Object.fromEntries(
  COUNTED.map((name, index) => [name, index]),
) as Readonly<Record<Counted, number>>;
const [GET, SET, REMOVE] = [INDEX.get, INDEX.set, INDEX.remove];
const ERRORS = INDEX.errors;

/** Where the times of gets and of sets begin. */
const TIMED_AT = COUNTED.length;
/** For each of both the sum of its times in seconds, and a histogram. */
const TIMED_COUNTS = 1 + HISTOGRAM_COUNTS;

const ROW_COUNTS = TIMED_AT + 2 * TIMED_COUNTS;

/** Batches are timed about once in this many milliseconds at most. */
const TIMING_INTERVAL_MS = 1;
/** But at least one in this many is, on average. */
const MAX_GAP = 64;

/** The number of requests of each common kind in a batch. */
export interface BatchCounts {
  readonly gets: number;
  readonly sets: number;
  readonly removes: number;
  /** How many of all its requests were answered with an error. */
  readonly errors: number;
}

/**
 * Counts what one thread does. Each thread has a row of its own, so that none
 * waits for another; a thread that takes over a row counts on.
 *
 * Numbers are 64-bit floats: they do not run over, and on machines of 64 bits
 * a reader never sees half of one.
 */
export class Counters {
  readonly #counts: Float64Array;
  readonly #timed: readonly [gets: Histogram, sets: Histogram];
  /** One in this many batches is timed now, on average. */
  #gap = 1;
  #untilTimed = 1;
  #timedMs = 0;

  constructor(buffer: SharedArrayBuffer, row: number) {
    const counts = rowOf(buffer, row);
    this.#counts = counts;
    this.#timed = [histogramIn(counts, 0), histogramIn(counts, 1)];
  }

  /** Makes memory for this many threads to count in. */
  static share(rows: number): SharedArrayBuffer {
    return new SharedArrayBuffer(rows * ROW_COUNTS * 8);
  }

  /** Counts something that does not happen often. */
  add(what: Counted, count = 1): void {
    this.#counts[INDEX[what]] += count;
  }

  /**
   * Begins a batch of requests. Reading the clock takes as long as a good part
   * of a batch, so where they come fast most are not timed, and those that are
   * count for them. Returns when it began, for {@linkcode end}.
   */
  begin(): number {
    if (--this.#untilTimed > 0) return NaN;
    const nowMs = performance.now();
    this.#gap = nowMs - this.#timedMs < TIMING_INTERVAL_MS
      ? Math.min(this.#gap * 2, MAX_GAP)
      : Math.max(this.#gap / 2, 1);
    this.#timedMs = nowMs;
    // At random, or it might be the same client's each time.
    this.#untilTimed = 1 + (Math.random() * (2 * this.#gap - 1) | 0);
    return nowMs;
  }

  /** Counts a batch whose answers may leave now. */
  end(beganMs: number, { gets, sets, removes, errors }: BatchCounts): void {
    const counts = this.#counts;
    counts[GET] += gets;
    counts[SET] += sets;
    counts[REMOVE] += removes;
    counts[ERRORS] += errors;
    // NaN, for a batch that is not timed, is not the same as itself.
    if (beganMs === beganMs) this.#time(beganMs, gets, sets);
  }

  #time(beganMs: number, gets: number, sets: number): void {
    const tookMs = performance.now() - beganMs;
    for (let i = 0; i < 2; i++) {
      // The gap may have changed since this one began, by little.
      const count = this.#gap * (i === 0 ? gets : sets);
      if (count === 0) continue;
      this.#counts[TIMED_AT + i * TIMED_COUNTS] += tookMs / 1e3 * count;
      this.#timed[i].record(tookMs, count);
    }
  }
}

/** How long requests of one kind took. */
export interface Timing {
  /** How long all of them took together, in seconds. */
  readonly sumS: number;
  /** How many took how long. */
  readonly histogram: Histogram;
}

/** What all threads have counted. */
export interface CounterTotals {
  readonly counts: Readonly<Record<Counted, number>>;
  readonly get: Timing;
  readonly set: Timing;
}

/** Adds up what all threads have counted. */
export function totalsOf(buffer: SharedArrayBuffer): CounterTotals {
  const totals = new Float64Array(ROW_COUNTS);
  const rows = buffer.byteLength / (ROW_COUNTS * 8);
  for (let i = 0; i < rows; i++) {
    const row = rowOf(buffer, i);
    for (let j = 0; j < ROW_COUNTS; j++) totals[j] += row[j];
  }
  const timing = (which: 0 | 1): Timing => ({
    sumS: totals[TIMED_AT + which * TIMED_COUNTS],
    histogram: histogramIn(totals, which),
  });
  return {
    counts: Object.fromEntries(
      COUNTED.map((name) => [name, totals[INDEX[name]]]),
    ) as Record<Counted, number>,
    get: timing(0),
    set: timing(1),
  };
}

function rowOf(buffer: SharedArrayBuffer, row: number): Float64Array {
  return new Float64Array(buffer, row * ROW_COUNTS * 8, ROW_COUNTS);
}

function histogramIn(row: Float64Array, which: 0 | 1): Histogram {
  const at = TIMED_AT + which * TIMED_COUNTS + 1;
  return new Histogram(row.subarray(at, at + HISTOGRAM_COUNTS));
}
