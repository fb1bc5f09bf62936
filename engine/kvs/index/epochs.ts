/**
 * Epoch-based reclamation (Fraser, "Practical lock-freedom", 2004, as in
 * crossbeam): when memory that was unlinked may be used again.
 *
 * **Registration.** Each reader has a slot in shared memory, claimed by
 * compare-and-exchange. A slot names its holder, so that what a thread that died
 * was reading can be ended by another.
 *
 * **Pinning.** A reader writes the epoch plus one into its slot before it loads
 * the first link, and zero when it is done. What it can reach while it is pinned
 * stays as it is.
 *
 * **Retiring.** The writer puts what it has unlinked into a ring, with the epoch
 * of that moment.
 *
 * **Advancing.** Now and then the writer looks at all slots. If every pinned
 * reader is in the present epoch, it moves to the next. What was retired in
 * epoch _e_ is freed as the epoch becomes _e_ + 2: a reader that could reach it
 * was pinned in _e_ or before, and the step from _e_ + 1 demands that there is
 * none.
 *
 * **Readers that never end.** When the ring is full the writer waits for a
 * second, then forgets the oldest block rather than reuse it, and does not wait
 * again in that epoch.
 *
 * @module
 */

import {
  EPOCH,
  RETIRED,
  RETIRED_CAPACITY,
  RETIRED_COUNT,
  RETIRED_ENTRY,
  RETIRED_FIRST,
  STUCK,
} from "./layout.ts";

/** The most readers: several times the threads that a server may have. */
export const READER_SLOTS = 1_024;

/** One slot to a cache line, so that readers do not slow each other down. */
const SLOT_WORDS = 16;

/** Words of shared memory for all slots, at first zero. */
export const READER_WORDS = (1 + READER_SLOTS) * SLOT_WORDS;

/** The number of slots that have ever been in use, in a line of its own. */
const USED = 0;

// A slot: the epoch it is pinned in plus one, or zero; the id of its holder.
const PINNED = 0;
const HOLDER = 1;

const FREE = 0;
/** The holder of a slot that only its own instance can release. */
export const NO_HOLDER = 0xffff_ffff;
const RELEASING = 0xffff_fffe;
/** The greatest id of a holder; the least is 1. */
const LAST_HOLDER = 0xffff_fffd;

/** Plus one it still fits in a word. */
const LAST_EPOCH = 0xffff_fffe;

/** Retired blocks after which the writer tries to advance. */
const ADVANCE_AFTER = 64;

/** How long a writer with a full ring waits for readers, in milliseconds. */
const READERS_TIMEOUT_MS = 1_000;

/** Options of {@linkcode Epochs}. */
export interface EpochsOptions {
  /** The memory with the epoch and the ring. */
  readonly words: Uint32Array;
  /** The memory for slots, {@linkcode READER_WORDS} of it. */
  readonly slots: Uint32Array;
  /** The id that {@linkcode Epochs.release} knows this reader by. */
  readonly holder: number;
  /** Puts a block into a free list. */
  readonly free: (block: number, list: number) => void;
}

/** One reader among all of them, and what the writer has retired. */
export class Epochs {
  readonly #words: Uint32Array;
  readonly #slots: Uint32Array;
  readonly #slot: number;
  readonly #free: (block: number, list: number) => void;

  /** Claims a slot; throws if all are taken. */
  constructor({ words, slots, holder, free }: EpochsOptions) {
    if (holder !== NO_HOLDER) checkHolder(holder);
    this.#words = words;
    this.#slots = slots;
    this.#slot = claim(slots, holder);
    this.#free = free;
  }

  /**
   * Begins reading, until {@linkcode unpin} in a `finally`: `using` would take
   * 200 ns more. Not nested.
   */
  pin(): void {
    // The store must come before the reader's first load of a link, in the one
    // order all threads agree on: then either the writer that wants to advance
    // sees this reader, or this reader sees all that was unlinked before that.
    // A stale epoch is harmless: it only makes the writer wait.
    Atomics.store(
      this.#slots,
      this.#slot + PINNED,
      Atomics.load(this.#words, EPOCH) + 1,
    );
  }

  /** Ends reading. */
  unpin(): void {
    // Releases: all loads of this reader come before it.
    Atomics.store(this.#slots, this.#slot + PINNED, 0);
  }

  /** Gives the slot back, which ends a read that is going on. */
  detach(): void {
    this.unpin();
    Atomics.store(this.#slots, this.#slot + HOLDER, FREE);
  }

  /**
   * Frees a block once no reader can reach it. Readers that are pinned from now
   * on must find no link to it, and it must stay as it is until then. Writer
   * only.
   *
   * @param block The block.
   * @param list The free list it goes to.
   */
  retire(block: number, list: number): void {
    const words = this.#words;
    if (words[RETIRED_COUNT] === RETIRED_CAPACITY) this.#makeRoom();
    const place = (words[RETIRED_FIRST] + words[RETIRED_COUNT]) %
      RETIRED_CAPACITY;
    const entry = RETIRED + place * RETIRED_ENTRY;
    words[entry] = block;
    words[entry + 1] = list;
    words[entry + 2] = words[EPOCH];
    words[RETIRED_COUNT]++;
    if (words[RETIRED_COUNT] % ADVANCE_AFTER === 0) this.advance();
  }

  /** Moves to the next epoch if every reader has arrived in this one. */
  advance(): void {
    const words = this.#words;
    const epoch = words[EPOCH];
    if (!this.#areAllIn(epoch)) return;
    const next = epoch === LAST_EPOCH ? 0 : epoch + 1;
    // After the look at the slots, before a block is freed.
    Atomics.store(words, EPOCH, next);
    while (words[RETIRED_COUNT] > 0) {
      const entry = RETIRED + words[RETIRED_FIRST] * RETIRED_ENTRY;
      const retiredIn = words[entry + 2];
      if (retiredIn === epoch || retiredIn === next) return;
      this.#freeOldest();
    }
  }

  /** Frees all that is retired: only while nobody reads. */
  freeAll(): void {
    while (this.#words[RETIRED_COUNT] > 0) this.#freeOldest();
  }

  /** The ids of the holders that have slots, those of `NO_HOLDER` left out. */
  holders(): Set<number> {
    const slots = this.#slots;
    const end = (1 + Atomics.load(slots, USED)) * SLOT_WORDS;
    const holders = new Set<number>();
    for (let slot = SLOT_WORDS; slot < end; slot += SLOT_WORDS) {
      const holder = Atomics.load(slots, slot + HOLDER);
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
  release(holder: number): number {
    checkHolder(holder);
    const slots = this.#slots;
    let count = 0;
    // All slots: it may have died before it counted its own.
    for (let i = 1; i <= READER_SLOTS; i++) {
      const slot = i * SLOT_WORDS;
      const at = slot + HOLDER;
      if (Atomics.load(slots, at) !== holder) continue;
      // In two steps: of several threads that release it, one must not end the
      // reading of a reader that claims the slot after another has freed it.
      if (
        Atomics.compareExchange(slots, at, holder, RELEASING) !== holder
      ) continue;
      Atomics.store(slots, slot + PINNED, 0);
      Atomics.store(slots, at, FREE);
      count++;
    }
    return count;
  }

  /** Whether every pinned reader is in this epoch. */
  #areAllIn(epoch: number): boolean {
    const slots = this.#slots;
    const end = (1 + Atomics.load(slots, USED)) * SLOT_WORDS;
    for (let slot = SLOT_WORDS; slot < end; slot += SLOT_WORDS) {
      const pinned = Atomics.load(slots, slot + PINNED);
      if (pinned !== 0 && pinned !== epoch + 1) return false;
    }
    return true;
  }

  #freeOldest(): void {
    const entry = RETIRED + this.#words[RETIRED_FIRST] * RETIRED_ENTRY;
    this.#free(this.#words[entry], this.#words[entry + 1]);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    const words = this.#words;
    words[RETIRED_FIRST] = (words[RETIRED_FIRST] + 1) % RETIRED_CAPACITY;
    words[RETIRED_COUNT]--;
  }

  /** Waits for readers to move on; the ring is full. */
  #makeRoom(): void {
    const words = this.#words;
    const deadline = performance.now() + READERS_TIMEOUT_MS;
    for (;;) {
      this.advance();
      if (words[RETIRED_COUNT] < RETIRED_CAPACITY) return;
      if (words[STUCK] === words[EPOCH] + 1) break;
      if (performance.now() > deadline) words[STUCK] = words[EPOCH] + 1;
    }
    // A reader died while it was reading. Its block is lost until the store is
    // opened anew.
    this.#forgetOldest();
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

function claim(slots: Uint32Array, holder: number): number {
  for (let i = 1; i <= READER_SLOTS; i++) {
    const slot = i * SLOT_WORDS;
    if (
      Atomics.compareExchange(slots, slot + HOLDER, FREE, holder) !== FREE
    ) continue;
    // A maximum, by compare and exchange: others claim at the same time.
    for (;;) {
      const used = Atomics.load(slots, USED);
      if (used >= i) return slot;
      if (Atomics.compareExchange(slots, USED, used, i) === used) return slot;
    }
  }
  throw new Error(
    `Cannot attach to the index: ${READER_SLOTS} readers are attached already`,
  );
}
