/**
 * The deque that work stealing is named after.
 *
 * @module
 */

const TOP = 0;
const BOTTOM = 1;
const CELLS = 2;

/** In place of an item where there is none. */
export const NOTHING = -1;

/**
 * The words of shared memory that a {@linkcode Deque} takes.
 *
 * @param capacity The most items, a power of two.
 */
export function dequeWords(capacity: number): number {
  return CELLS + capacity;
}

/**
 * A queue of numbers with two ends in shared memory (Chase and Lev, "Dynamic
 * circular work-stealing deque", 2005). One thread, the owner, pushes and pops
 * at the bottom; any thread steals at the top, the oldest item first.
 *
 * Lê, Pop, Cohen and Zappa Nardelli ("Correct and efficient work-stealing for
 * weak memory models", 2013) show which of its accesses need an order. Those
 * of JavaScript's `Atomics` are all sequentially consistent, so they have it
 * throughout.
 *
 * The capacity is fixed; the caller makes sure that there are never more items.
 */
export class Deque {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #mask: number;

  /**
   * @param words Shared memory.
   * @param at The first of its words, which are zero at first.
   * @param capacity The most items, a power of two.
   */
  constructor(words: Int32Array, at: number, capacity: number) {
    if (capacity < 1 || (capacity & capacity - 1) !== 0) {
      throw new RangeError(
        `Capacity of a deque must be a power of two, found ${capacity}`,
      );
    }
    this.#words = words;
    this.#at = at;
    this.#mask = capacity - 1;
  }

  /** How many items there are; at once out of date while others steal. */
  get length(): number {
    const top = Atomics.load(this.#words, this.#at + TOP);
    // Indices wrap at 32 bits; their difference does not.
    return Math.max(0, Atomics.load(this.#words, this.#at + BOTTOM) - top | 0);
  }

  /**
   * Adds an item at the bottom. Owner only.
   *
   * @param item A number from 0.
   * @throws {Error} If the deque is full.
   */
  push(item: number): void {
    const words = this.#words;
    const bottom = Atomics.load(words, this.#at + BOTTOM);
    const top = Atomics.load(words, this.#at + TOP);
    if ((bottom - top | 0) > this.#mask) {
      throw new Error(`Deque is full with ${this.#mask + 1} items`);
    }
    Atomics.store(words, this.#cell(bottom), item);
    // Only now can a thief see the item.
    Atomics.store(words, this.#at + BOTTOM, bottom + 1 | 0);
  }

  /**
   * Takes the newest item. Owner only.
   *
   * @returns The item, or {@linkcode NOTHING}.
   */
  pop(): number {
    const words = this.#words;
    const bottom = Atomics.load(words, this.#at + BOTTOM) - 1 | 0;
    // Claims the item before it looks at the top: a thief that comes later
    // sees the lower bottom, one that came earlier is seen by its higher top.
    Atomics.store(words, this.#at + BOTTOM, bottom);
    const top = Atomics.load(words, this.#at + TOP);
    const left = bottom - top | 0;
    if (left < 0) {
      Atomics.store(words, this.#at + BOTTOM, bottom + 1 | 0);
      return NOTHING;
    }
    const item = Atomics.load(words, this.#cell(bottom));
    if (left > 0) return item;
    // The last one goes to the thread that moves the top.
    const won = this.#moveTop(top);
    Atomics.store(words, this.#at + BOTTOM, bottom + 1 | 0);
    return won ? item : NOTHING;
  }

  /**
   * Takes the oldest item, from whatever thread.
   *
   * @returns The item, or {@linkcode NOTHING} where there is none.
   */
  steal(): number {
    const words = this.#words;
    for (;;) {
      const top = Atomics.load(words, this.#at + TOP);
      const bottom = Atomics.load(words, this.#at + BOTTOM);
      if ((bottom - top | 0) <= 0) return NOTHING;
      // Read before the claim: once the top has moved, the owner may reuse the
      // cell. If the claim fails, what was read is of no account.
      const item = Atomics.load(words, this.#cell(top));
      // Each failure means that another thread took an item, so the loop ends.
      if (this.#moveTop(top)) return item;
    }
  }

  #moveTop(top: number): boolean {
    const next = top + 1 | 0;
    return Atomics.compareExchange(this.#words, this.#at + TOP, top, next) ===
      top;
  }

  #cell(index: number): number {
    return this.#at + CELLS + (index & this.#mask);
  }
}
