/**
 * Whether something has stopped growing.
 *
 * @module
 */

import { spreadOf } from "../support/spread.ts";

/** How much something may seem to grow and yet be flat. */
export interface Tolerance {
  /** A share of what it was. */
  readonly share: number;
  /** What is let pass beyond that, in its own unit. */
  readonly slack: number;
}

/** What was found out about something. */
export interface Flatness {
  /** What it was in the middle third of the time: the median. */
  readonly middle: number;
  /** What it was in the last third: the median. */
  readonly last: number;
  /** The most that the last one may be. */
  readonly limit: number;
  /** Whether it is no more. */
  readonly isFlat: boolean;
}

/** The least number of values in a third that say anything. */
const MIN_VALUES = 5;

/**
 * Compares the last third of the time with the one before it; in the first one
 * caches fill, and code is compiled.
 */
export function flatnessOf(
  points: readonly (readonly [time: number, value: number])[],
  duration: number,
  { share, slack }: Tolerance,
): Flatness {
  const third = (number: number) =>
    points.filter(([time]) =>
      time >= duration * number / 3 && time < duration * (number + 1) / 3
    ).map(([, value]) => value);
  const [middle, last] = [third(1), third(2)];
  if (Math.min(middle.length, last.length) < MIN_VALUES) {
    return { middle: NaN, last: NaN, limit: NaN, isFlat: false };
  }
  const before = spreadOf(middle).median;
  const now = spreadOf(last).median;
  const limit = before * (1 + share) + slack;
  return { middle: before, last: now, limit, isFlat: now <= limit };
}
