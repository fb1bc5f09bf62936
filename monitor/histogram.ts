/**
 * Latencies, counted in buckets.
 *
 * @module
 */

/** Latencies are kept in this unit, in microseconds. */
const UNIT_US = 0.1;

/** Buckets to each power of two: no bucket is wider than 1/64 of its value. */
const BUCKETS = 64;
const BUCKET_BITS = 6;

/** Powers of two beyond the first bucket's: up to 214 seconds. */
const POWERS = 31 - BUCKET_BITS;

/** Whatever took longer is counted as this. */
const MAX_UNITS = 2 ** 31 - 1;

/** The numbers that a {@linkcode Histogram} is made of. */
export const HISTOGRAM_COUNTS = (POWERS + 1) * BUCKETS;

/**
 * A histogram with buckets of constant relative width, after HdrHistogram
 * (Tene): recording costs a few instructions, and a percentile is wrong by
 * 1.6 percent at most.
 */
export class Histogram {
  readonly #counts: Float64Array;

  /**
   * @param counts Where to count: {@linkcode HISTOGRAM_COUNTS} numbers, which
   * may be in shared memory or be another one's {@linkcode counts}.
   */
  constructor(counts: Float64Array = new Float64Array(HISTOGRAM_COUNTS)) {
    this.#counts = counts;
  }

  /**
   * Counts some requests.
   *
   * @param latencyMs How long each took, in milliseconds.
   * @param count How many they are.
   */
  record(latencyMs: number, count: number): void {
    const units = Math.min(latencyMs * (1e3 / UNIT_US), MAX_UNITS) | 0;
    this.#counts[bucketOf(units < 0 ? 0 : units)] += count;
  }

  /** Adds the counts of another one. */
  add(other: Histogram): void {
    for (let i = 0; i < this.#counts.length; i++) {
      this.#counts[i] += other.#counts[i];
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#counts.fill(0);
  }

  /** The counts, for a message to another thread. */
  counts(): Float64Array {
    return this.#counts.slice();
  }

  /** How many requests were counted. */
  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * How many requests took less than a power of two of tenths of a
   * microsecond, of which the buckets know it to the last.
   *
   * @param power The power, from 6 to 31.
   */
  countBelow(power: number): number {
    const end = (power - BUCKET_BITS + 1) * BUCKETS;
    return this.#counts.subarray(0, end)
      .reduce((sum, count) => sum + count, 0);
  }

  /**
   * The latency that a share of the requests did not exceed.
   *
   * @param share The share, from 0 to 1.
   * @returns Microseconds, the upper end of a bucket; 0 if nothing was counted.
   */
  percentileUs(share: number): number {
    const { total } = this;
    let left = Math.max(1, Math.ceil(total * share));
    for (let i = 0; i < this.#counts.length && total > 0; i++) {
      left -= this.#counts[i];
      if (left <= 0) return upperEnd(i) * UNIT_US;
    }
    return 0;
  }
}

/** The first 128 buckets are one unit wide, each 64 after them twice as wide. */
function bucketOf(units: number): number {
  const power = 31 - BUCKET_BITS - Math.clz32(units | BUCKETS - 1);
  if (power < 0) return units;
  return (power + 1) * BUCKETS + (units >>> power) - BUCKETS;
}

function upperEnd(bucket: number): number {
  const power = Math.floor(bucket / BUCKETS) - 1;
  if (power < 0) return bucket;
  const first = (bucket % BUCKETS + BUCKETS) * 2 ** power;
  return first + 2 ** power - 1;
}
