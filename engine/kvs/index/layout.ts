/**
 * Which words of an index's memory are whose.
 *
 * ```text
 * header │ ring of retired blocks │ blocks … │ versions of keys │ reader slots
 * └──────────── what a checkpoint keeps ─────┘
 * ```
 *
 * A checkpoint is the words as they are: one that moves takes a new format
 * version of it.
 *
 * @module
 */

// What blocks are for. A free block serves the same use again, so that removed
// keys leave room for as many others, however many tables come and go.
/** Blocks of any size. */
export const NODE = 0;
/** Blocks that are all of one size. */
export const RECORD = 1;
/** Blocks that may be cut up for others once they are outgrown. */
export const TABLE = 2;
const USES = 3;

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

/** Words that belong to one purpose. */
interface Part {
  readonly at: number;
  readonly words: number;
}

const parts: Part[] = [];

/** All that is assigned before the first block, for a test that none overlap. */
export const PARTS: readonly Part[] = parts;

function assign(at: number, words = 1): number {
  parts.push({ at, words });
  return at;
}

// Of the epochs.
/** The epoch in which a wait for readers timed out, plus one; or zero. */
export const STUCK = assign(1);
export const EPOCH = assign(2);
/** The oldest place in the ring of retired blocks, and how many are taken. */
export const RETIRED_FIRST = assign(5);
export const RETIRED_COUNT = assign(6);

// Of the arena.
/** The first word that was never in a block. */
export const TOP = assign(3);
/** Words in blocks that are not free. */
export const USED_WORDS = assign(4);

// Of the ordered list.
/** The node before all others. */
export const HEAD = assign(8);
/** The number of keys. */
export const SIZE = assign(9);
/** The number of levels in use. */
export const HEIGHT = assign(10);
/** The state of the generator of heights, never zero. */
export const RANDOM = assign(11);

// Of the hash tables.
/** A table for each value of the first bits of a hash. */
export const DIRECTORY = assign(12);
/** How many bits of a hash the directory leaves to the tables. */
export const TABLE_SHIFT = assign(14);
/** The secret key of the hashes. */
export const HASH_KEY_0 = assign(13);
export const HASH_KEY_1 = assign(15);

// Of the arena: a list of free blocks for each use and size class.
export const FREE_LISTS = assign(16, USES * CLASSES);
/** What is left of a large table that small blocks are cut from. */
export const REST = assign(520);
export const REST_WORDS = assign(521);
/** Whether there may be another free large table. */
export const HAS_LARGE = assign(522);

/** A place in the ring of retired blocks: offset, free list, epoch. */
export const RETIRED_ENTRY = 3;
export const RETIRED_CAPACITY = 8_192;
export const RETIRED = assign(528, RETIRED_CAPACITY * RETIRED_ENTRY);

export const FIRST_BLOCK = RETIRED + RETIRED_CAPACITY * RETIRED_ENTRY;

/** A counter for each version: see `versions.ts`. */
export const VERSION_WORDS = 2 ** 14;
