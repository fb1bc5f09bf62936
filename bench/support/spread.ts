/**
 * What several runs of the same thing have in common.
 *
 * @module
 */

/** The middle and the extremes of some numbers. */
export interface Spread {
  /** The middle one, or the mean of the two in the middle. */
  readonly median: number;
  /** The least. */
  readonly min: number;
  /** The greatest. */
  readonly max: number;
}

/** Sums runs up. */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError("No values to sum up");
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted.length >> 1;
  const lower = (sorted.length - 1) >> 1;
  return {
    median: (sorted[lower] + sorted[upper]) / 2,
    min: sorted[0],
    max: sorted[sorted.length - 1],
  };
}
