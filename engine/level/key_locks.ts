/**
 * Locks on keys, for removals.
 *
 * @module
 */

import { waitForChange } from "./wait_for_change.ts";

/** How many locks all keys share; each is one word of shared memory. */
const STRIPES = 256;

/** The word after the locks, from which holders take their numbers. */
const NEXT_HOLDER = STRIPES;

const FREE = 0;

/** After how long without a renewal a holder is taken for dead, in ms. */
const TAKEOVER_AFTER_MS = 5_000;

/** How often a lock is renewed in that time. */
const RENEWALS = 5;

/**
 * Locks on keys that the Workers of a process share.
 *
 * LevelDB cannot remove a key and tell whether it was there in one step. These
 * locks make one of the look-up and the removal, so that of two clients who
 * remove a key at the same time only one is told that it was there. Other
 * writes need no lock: one that slips in between comes before or after the
 * removal as well.
 *
 * Keys share a fixed number of locks, and a writer that needs several takes them in
 * ascending order, so nobody waits in a circle.
 */
export class KeyLocks {
  readonly #words: Int32Array;
  readonly #takeoverAfterMs: number;

  /**
   * Makes locks, or joins those that others use.
   *
   * @param buffer What {@linkcode KeyLocks.buffer} is elsewhere.
   * @param takeoverAfterMs After how long a holder is taken for dead.
   */
  constructor(
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(
      (STRIPES + 1) * Int32Array.BYTES_PER_ELEMENT,
    ),
    takeoverAfterMs: number = TAKEOVER_AFTER_MS,
  ) {
    this.#takeoverAfterMs = takeoverAfterMs;
    this.#words = new Int32Array(buffer);
  }

  /**
   * Takes the locks of some keys, does some work, and gives them back.
   *
   * @param keys The keys.
   * @param work The work.
   * @returns What the work returned.
   * @throws {Error} If this thread was blocked for so long that another has
   * taken a lock over, and may have seen what was there before.
   */
  async hold<T>(
    keys: Iterable<Uint8Array>,
    work: () => Promise<T>,
  ): Promise<T> {
    const stripes = new Set<number>();
    for (const key of keys) stripes.add(stripeOf(key));
    const ascending = [...stripes].sort((a, b) => a - b);
    const taken: number[] = [];
    let holder = this.#newHolder();
    // Others wait as long as this thread shows that it is alive.
    const renewal = setInterval(() => {
      const next = this.#newHolder();
      for (const stripe of taken) {
        Atomics.compareExchange(this.#words, stripe, holder, next);
      }
      holder = next;
    }, this.#takeoverAfterMs / RENEWALS);
    try {
      for (const stripe of ascending) {
        await this.#take(stripe, () => holder);
        taken.push(stripe);
      }
      const result = await work();
      if (this.#giveBack(taken, holder)) return result;
    } catch (error) {
      this.#giveBack(taken, holder);
      throw error;
    } finally {
      clearInterval(renewal);
    }
    throw new Error(
      `Cannot tell whether the key was there: its lock was held for ${this.#takeoverAfterMs} ms without a sign of life`,
    );
  }

  async #take(stripe: number, holder: () => number): Promise<void> {
    const words = this.#words;
    let expected = FREE;
    for (;;) {
      // Sequentially consistent: what the last holder wrote is visible.
      const found = Atomics.compareExchange(words, stripe, expected, holder());
      if (found === expected) return;
      expected = FREE;
      if (found === FREE) continue;
      const hasChanged = await waitForChange(
        words,
        stripe,
        found,
        this.#takeoverAfterMs,
      );
      // A Worker that dies never gives its locks back. A holder that was only
      // blocked finds out when it gives them back.
      if (!hasChanged) expected = found;
    }
  }

  /** Returns whether none was taken over; only then has nobody come between. */
  #giveBack(stripes: readonly number[], holder: number): boolean {
    const words = this.#words;
    let isHeld = true;
    for (const stripe of stripes) {
      const found = Atomics.compareExchange(words, stripe, holder, FREE);
      if (found !== holder) isHeld = false;
      else Atomics.notify(words, stripe);
    }
    return isHeld;
  }

  #newHolder(): number {
    for (;;) {
      const holder = Atomics.add(this.#words, NEXT_HOLDER, 1) + 1 | 0;
      if (holder !== FREE) return holder;
    }
  }
}

/** Picks a key's lock by its FNV-1a hash. */
function stripeOf(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ hash >>> 16) & (STRIPES - 1);
}
