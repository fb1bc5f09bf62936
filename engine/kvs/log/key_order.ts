/**
 * Putting keys in order, many at a time.
 *
 * @module
 */

/** Key bytes that take part in one round of sorting. */
const SORT_BYTES = 3;

/** Keys as stretches of an array, so that none needs an object of its own. */
export interface KeyPlaces {
  /** The array. */
  readonly bytes: Uint8Array;
  /** Where each key begins, in bytes. */
  readonly starts: Uint32Array;
  /** Where each one ends. */
  readonly ends: Uint32Array;
}

/**
 * Sorts keys by their bytes: from the first bytes to the last (MSD radix sort),
 * three at a time, which become numbers that the platform sorts without a call
 * to a comparison in JavaScript.
 *
 * @param keys The keys.
 * @returns The numbers of the keys, from 0, in order; equal keys stay as they
 * are.
 */
export function orderOf(keys: KeyPlaces): Uint32Array {
  const order = Uint32Array.from(keys.starts.keys());
  const pairs = new BigUint64Array(order.length);
  // The low word of a pair is a key's number, the high word what it is sorted
  // by.
  const words = new Uint32Array(pairs.buffer);
  const ranges = [{ from: 0, to: order.length, depth: 0 }];
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const { from, to } = range;
    const part = order.subarray(from, to);
    const depth = commonPrefix(keys, part, range.depth);
    for (let i = from; i < to; i++) {
      words[2 * i] = order[i];
      words[2 * i + 1] = sortWord(keys, order[i], depth);
    }
    pairs.subarray(from, to).sort();
    let runFrom = from;
    for (let i = from; i < to; i++) {
      order[i] = words[2 * i];
      const word = words[2 * i + 1];
      if (i + 1 < to && words[2 * i + 3] === word) continue;
      // Of keys that end here, equal words are equal keys.
      if (i > runFrom && (word & 0xff) === SORT_BYTES) {
        ranges.push({ from: runFrom, to: i + 1, depth: depth + SORT_BYTES });
      }
      runFrom = i + 1;
    }
  }
  return order;
}

/** How many bytes some of the keys have in common, `depth` at least. */
function commonPrefix(
  { bytes, starts, ends }: KeyPlaces,
  some: Uint32Array,
  depth: number,
): number {
  if (some.length === 0) return depth;
  const first = starts[some[0]];
  let common = ends[some[0]] - first;
  for (let i = 1; i < some.length && common > depth; i++) {
    const start = starts[some[i]];
    const limit = Math.min(common, ends[some[i]] - start);
    let at = depth;
    while (at < limit && bytes[first + at] === bytes[start + at]) at++;
    common = at;
  }
  return Math.max(common, depth);
}

/** The next bytes of a key as a number, and how many there are of them. */
function sortWord(
  { bytes, starts, ends }: KeyPlaces,
  key: number,
  depth: number,
): number {
  const at = starts[key] + depth;
  const left = ends[key] - at;
  const count = left < SORT_BYTES ? left : SORT_BYTES;
  let word = count;
  for (let i = 0, shift = 24; i < count; i++, shift -= 8) {
    word |= bytes[at + i] << shift;
  }
  return word >>> 0;
}
