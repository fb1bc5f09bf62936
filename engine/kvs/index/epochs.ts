/**
 * Who reads the index at this moment, and in which epoch.
 *
 * @module
 */

/** The most readers: several times the threads that a server may have. */
export const READER_SLOTS = 1_024;

/** One slot to a cache line, so that readers do not slow each other down. */
const SLOT_WORDS = 16;

/** The number of slots that have ever been in use, in a line of its own. */
const USED = 0;

/** Words of shared memory for all slots, at first zero. */
export const READER_WORDS = (1 + READER_SLOTS) * SLOT_WORDS;

// A slot: the epoch it reads in plus one, or zero while it does not read; and
// the id of its holder.
const EPOCH = 0;
const HOLDER = 1;

const FREE = 0;
/** The holder of a slot that only its own instance can release. */
export const NO_HOLDER = 0xffff_ffff;
const RELEASING = 0xffff_fffe;
/** The greatest id of a holder; the least is 1. */
const LAST_HOLDER = 0xffff_fffd;

/** One reader's slot among all of them, in shared memory. */
export class Epochs {
  readonly #words: Uint32Array;
  readonly #slot: number;

  /**
   * Claims a slot.
   *
   * @param words The shared memory, {@linkcode READER_WORDS} of it.
   * @param holder The id that {@linkcode releaseAll} knows it by.
   * @throws {Error} If all slots are taken.
   */
  constructor(words: Uint32Array, holder: number) {
    if (holder !== NO_HOLDER) checkHolder(holder);
    this.#words = words;
    this.#slot = claim(words, holder);
  }

  /** Notes that this reader begins to read in an epoch. */
  enter(epoch: number): void {
    Atomics.store(this.#words, this.#slot + EPOCH, epoch + 1);
  }

  /** Notes that this reader has ended. */
  leave(): void {
    Atomics.store(this.#words, this.#slot + EPOCH, 0);
  }

  /** Gives the slot back. */
  free(): void {
    this.leave();
    Atomics.store(this.#words, this.#slot + HOLDER, FREE);
  }

  /** Whether every reader that reads now reads in this epoch. */
  areAllIn(epoch: number): boolean {
    const words = this.#words;
    const end = (1 + Atomics.load(words, USED)) * SLOT_WORDS;
    for (let slot = SLOT_WORDS; slot < end; slot += SLOT_WORDS) {
      const entered = Atomics.load(words, slot + EPOCH);
      if (entered !== 0 && entered !== epoch + 1) return false;
    }
    return true;
  }

  /** The ids of the holders that have slots, those of `NO_HOLDER` left out. */
  holders(): Set<number> {
    const words = this.#words;
    const end = (1 + Atomics.load(words, USED)) * SLOT_WORDS;
    const holders = new Set<number>();
    for (let slot = SLOT_WORDS; slot < end; slot += SLOT_WORDS) {
      const holder = Atomics.load(words, slot + HOLDER);
      if (holder !== FREE && holder <= LAST_HOLDER) holders.add(holder);
    }
    return holders;
  }

  /**
   * Frees all slots of a holder that is dead, and ends what they were reading.
   *
   * @param holder Its id, which must not be in use again yet.
   * @returns How many there were.
   */
  releaseAll(holder: number): number {
    checkHolder(holder);
    const words = this.#words;
    let count = 0;
    // All slots: it may have died before it counted its own.
    for (let i = 1; i <= READER_SLOTS; i++) {
      const slot = i * SLOT_WORDS;
      const at = slot + HOLDER;
      if (Atomics.load(words, at) !== holder) continue;
      // In two steps: of several threads that release it, one must not end the
      // reading of a reader that claims the slot after another has freed it.
      if (
        Atomics.compareExchange(words, at, holder, RELEASING) !== holder
      ) continue;
      Atomics.store(words, slot + EPOCH, 0);
      Atomics.store(words, at, FREE);
      count++;
    }
    return count;
  }
}

function checkHolder(holder: number): void {
  if (Number.isInteger(holder) && holder > FREE && holder <= LAST_HOLDER) {
    return;
  }
  throw new RangeError(
    `Holder must be from 1 to ${LAST_HOLDER}, found ${holder}`,
  );
}

function claim(words: Uint32Array, holder: number): number {
  for (let i = 1; i <= READER_SLOTS; i++) {
    const slot = i * SLOT_WORDS;
    if (
      Atomics.compareExchange(words, slot + HOLDER, FREE, holder) !== FREE
    ) continue;
    // A maximum, by compare and exchange: others claim at the same time.
    for (;;) {
      const used = Atomics.load(words, USED);
      if (used >= i) return slot;
      if (Atomics.compareExchange(words, USED, used, i) === used) return slot;
    }
  }
  throw new Error(
    `Cannot attach to the index: ${READER_SLOTS} readers are attached already`,
  );
}
