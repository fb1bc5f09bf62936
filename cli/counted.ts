/**
 * Spells a number of things.
 *
 * @param count How many there are.
 * @param noun What one of them is called.
 * @returns Such as `1 pair` or `2 pairs`.
 */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
