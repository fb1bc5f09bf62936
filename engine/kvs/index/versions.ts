/**
 * Versions of keys: how a reader knows that what it read of a key is still so,
 * without looking the key up again.
 *
 * @module
 */

/** The last version: it is odd, and stays. */
const LAST = 0xffff_ffff;

/**
 * A version that no key is ever seen to have: for records that were read
 * without asking for the version before.
 */
export const NO_VERSION = LAST;

/**
 * Counters in shared memory, each for the keys of some hashes: odd while the
 * value of one of these keys changes, another even number afterwards (a
 * seqlock, Lameter 2005). For one writer at a time and readers without a lock.
 *
 * Who loads a version, then looks a key up, and later finds the same even
 * version, knows that the look-up would come to the same: no change began since
 * the first load, for beginning would have made it odd, and versions only go
 * up. The load that finds it is the moment at which that reading takes effect:
 * a change that has been seen by anybody, through the index, has begun, and
 * a load of the version after that sees the odd one, or a later one.
 *
 * A key that comes is no change: nobody has read a value of it that it could
 * make wrong. The version at which it had an earlier one ended as that went.
 */
export class KeyVersions {
  readonly #words: Uint32Array;
  readonly #mask: number;

  /** @param words Shared memory, a power of two of words, at first zero. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.#mask = words.length - 1;
  }

  /**
   * The version of a key.
   *
   * @param hash The key's hash.
   * @returns The version, 32 bits; {@linkcode isStable} says what it is good
   * for.
   */
  of(hash: number): number {
    return Atomics.load(this.#words, hash & this.#mask);
  }

  /** Notes that a key's value is about to change. Writer only. */
  beginChange(hash: number): void {
    const at = hash & this.#mask;
    // It is odd already where a writer died in the middle of a change.
    Atomics.store(this.#words, at, (this.#words[at] | 1) >>> 0);
  }

  /** Notes that a key's value has changed. Writer only. */
  endChange(hash: number): void {
    const at = hash & this.#mask;
    const version = this.#words[at];
    // They never come round to what someone may have noted: these keys are
    // looked up each time from here on.
    if (version !== LAST) Atomics.store(this.#words, at, version + 1);
  }
}

/** Whether a version is that of a key whose value is not changing. */
export function isStable(version: number): boolean {
  return (version & 1) === 0;
}
