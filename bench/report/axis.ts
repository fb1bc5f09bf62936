/**
 * The numbers at the sides of charts.
 *
 * @module
 */

/** The next number of the form 1, 2, 4, 6 or 8 times a power of ten. */
export function niceLimit(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  const factor = [1, 2, 4, 6, 8, 10].find((f) => f * power >= value) ?? 10;
  return factor * power;
}

/** Spells a number for the side of a chart. */
export function axisNumber(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e3 ? `${value / 1e3}k` : `${value}`;
}
