/**
 * Locks on keys, for removals.
 *
 * @module
 */

/** How many locks all keys share; each is one word of shared memory. */
const STRIPES = 256;

/** The word behind the locks, from which holders take their numbers. */
const NEXT_HOLDER = STRIPES;

const FREE = 0;

/** After how long a holder is taken for dead, in milliseconds. */
const TAKEOVER_AFTER_MS = 5_000;

/**
 * Locks on keys that the Workers of a process share.
 *
 * LevelDB cannot remove a key and tell whether it was there in one step. These
 * locks make one of the look-up and the removal, so that of two clients who
 * remove a key at the same time only one is told that it was there. Other
 * writes need no lock: one that slips in between comes before or after the
 * removal as well.
 *
 * Keys share a fixed number of locks, and whoever needs several takes them in
 * ascending order, so nobody waits in a circle.
 */
export class KeyLocks {
  readonly #words: Int32Array;

  /**
   * Makes locks, or joins those that others use.
   *
   * @param buffer What {@linkcode KeyLocks.buffer} is elsewhere.
   */
  constructor(
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(
      (STRIPES + 1) * Int32Array.BYTES_PER_ELEMENT,
    ),
  ) {
    this.#words = new Int32Array(buffer);
  }

  /**
   * Takes the locks of some keys, does some work, and gives them back.
   *
   * @param keys The keys.
   * @param work The work.
   * @returns What the work returned.
   */
  async hold<T>(
    keys: Iterable<Uint8Array>,
    work: () => Promise<T>,
  ): Promise<T> {
    const holder = this.#newHolder();
    const stripes = new Set<number>();
    for (const key of keys) stripes.add(stripeOf(key));
    const ascending = [...stripes].sort((a, b) => a - b);
    for (const stripe of ascending) await this.#take(stripe, holder);
    try {
      return await work();
    } finally {
      for (const stripe of ascending) this.#giveBack(stripe, holder);
    }
  }

  async #take(stripe: number, holder: number): Promise<void> {
    const words = this.#words;
    let expected = FREE;
    for (;;) {
      // Sequentially consistent: what the last holder wrote is visible.
      const found = Atomics.compareExchange(words, stripe, expected, holder);
      if (found === expected) return;
      expected = FREE;
      if (found === FREE) continue;
      const result = Atomics.waitAsync(words, stripe, found, TAKEOVER_AFTER_MS);
      if (!result.async) continue;
      // A pending waitAsync alone does not keep a process from ending.
      const keepAlive = setInterval(() => {}, TAKEOVER_AFTER_MS);
      const woken = await result.value;
      clearInterval(keepAlive);
      // A Worker that dies never gives its locks back. If the holder is only
      // slow, the harm is that two removals of a key both report success.
      if (woken === "timed-out") expected = found;
    }
  }

  #giveBack(stripe: number, holder: number): void {
    const words = this.#words;
    // Not if it was taken over.
    Atomics.compareExchange(words, stripe, holder, FREE);
    Atomics.notify(words, stripe);
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
