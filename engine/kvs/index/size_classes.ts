/**
 * The sizes in which an arena gives out blocks.
 *
 * @module
 */

/** Small blocks come in every size, up to this many words. */
export const EXACT_CLASSES = 64;

/** Larger ones come in four sizes to a doubling, up to 2^32 words. */
export const CLASSES = EXACT_CLASSES + 4 * 26;

/** The class of the smallest blocks with that many words or more. */
export function classOf(size: number): number {
  if (size <= EXACT_CLASSES) return size - 1;
  const doubling = 31 - Math.clz32(size - 1);
  const quarter = ((size - 1) >>> (doubling - 2)) & 3;
  return EXACT_CLASSES + (doubling - 6) * 4 + quarter;
}

/** The words of a block; a fifth at most is more than was asked for. */
export function classWords(sizeClass: number): number {
  if (sizeClass < EXACT_CLASSES) return sizeClass + 1;
  const doubling = ((sizeClass - EXACT_CLASSES) >>> 2) + 6;
  const quarter = (sizeClass - EXACT_CLASSES) & 3;
  return 2 ** doubling + (quarter + 1) * 2 ** (doubling - 2);
}
