/**
 * Memory for the index: an allocator inside one SharedArrayBuffer, with
 * epoch-based reclamation of what readers may still be looking at.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import { Epochs, NO_HOLDER, READER_WORDS } from "./epochs.ts";
import { CLASSES, classOf, classWords, EXACT_CLASSES } from "./size_classes.ts";

// The first words of the buffer. `docs/design.md` has the whole map.
/** The epoch in which a wait for readers timed out, plus one; or zero. */
const STUCK = 1;
const EPOCH = 2;
const TOP = 3;
const USED_WORDS = 4;
const RETIRED_FIRST = 5;
const RETIRED_COUNT = 6;
/** Words 8 to 15 belong to whoever uses the arena. */
export const USER_WORDS = 8;
const FREE_LISTS = 16;

// What blocks are for. A free block serves the same use again, so that removed
// keys leave room for as many others, however many tables come and go.
/** Blocks of any size. */
export const NODE = 0;
/** Blocks that are all of one size. */
export const RECORD = 1;
/** Blocks that may be cut up for others once they are outgrown. */
export const TABLE = 2;
const USES = 3;

/** The free lists from here on are of tables that blocks can be cut from. */
const LARGE_TABLES = FREE_LISTS + TABLE * CLASSES + EXACT_CLASSES;

// What is left of a large table that small blocks are cut from, and whether
// there may be another free one.
const REST = FREE_LISTS + USES * CLASSES;
const REST_WORDS = REST + 1;
const HAS_LARGE = REST + 2;

/** A ring of blocks that wait to be free: offset, free list, epoch. */
const RETIRED = 528;
const RETIRED_CAPACITY = 8_192;
const RETIRED_ENTRY = 3;

const FIRST_BLOCK = RETIRED + RETIRED_CAPACITY * RETIRED_ENTRY;

/** Retired blocks after which the writer looks whether some can be freed. */
const ADVANCE_AFTER = 64;

/** The most blocks that one is cut into at a time. */
const MAX_CUTS = 64;

/** How long a writer with a full ring waits for readers, in milliseconds. */
const READERS_TIMEOUT_MS = 1_000;

/** The size of {@linkcode Arena.transient}, in words. */
const TRANSIENT_WORDS = 2 ** 14;
/** What comes after all blocks, on top of the arena's size, in bytes. */
const TAIL_BYTES = (TRANSIENT_WORDS + READER_WORDS) * 4;

/** Sizes are multiples of it, in bytes, so that slots lie in cache lines. */
const ALIGNMENT = 64;

/** Plus one it still fits in a word. */
const LAST_EPOCH = 0xffff_fffe;

/** The least an index can be, in bytes. */
const MIN_BYTES = 2 ** 18;

/** The most an index can be: offsets are 32-bit counts of 32-bit words. */
const MAX_BYTES = 2 ** 34;
/** The offset after the last word must be a 32-bit number as well. */
const MAX_USED_BYTES = MAX_BYTES - ALIGNMENT;

/**
 * Blocks of 32-bit words in shared memory, named by their word offset; offset
 * zero is no block. A block has no header: whoever gives it back knows its
 * size.
 *
 * Allocation is for one writer at a time, who holds the store's write lock.
 * Any number of readers look at blocks between {@linkcode pin} and
 * {@linkcode unpin} without a lock. A block that readers can reach is given
 * back with {@linkcode retire}: it is reused only when every reader that was
 * reading at that time is done (epoch-based reclamation: Fraser, "Practical
 * lock-freedom", 2004, as in crossbeam).
 */
export class Arena {
  /** All that a checkpoint keeps. */
  readonly words: Uint32Array;
  /**
   * Words after all blocks, a power of two of them, at first zero: for what no
   * checkpoint keeps. They come on top of the arena's size.
   */
  readonly transient: Uint32Array;
  readonly buffer: SharedArrayBuffer;
  readonly #readers: Epochs;

  private constructor(buffer: SharedArrayBuffer, holder: number) {
    this.buffer = buffer;
    const wordsBytes = buffer.byteLength - TAIL_BYTES;
    const readersAt = buffer.byteLength - READER_WORDS * 4;
    this.words = new Uint32Array(buffer, 0, wordsBytes / 4);
    this.transient = new Uint32Array(buffer, wordsBytes, TRANSIENT_WORDS);
    this.#readers = new Epochs(new Uint32Array(buffer, readersAt), holder);
  }

  /**
   * Makes an empty arena.
   *
   * @param sizeBytes From 256 KiB to 16 GiB; memory is committed at first use.
   * @param holder See {@linkcode releaseReaders}.
   * @returns The arena, with a reader slot of its own.
   */
  static create(sizeBytes: number, holder = NO_HOLDER): Arena {
    if (!(sizeBytes >= MIN_BYTES && sizeBytes <= MAX_BYTES)) {
      throw new RangeError(
        `Index size must be from ${MIN_BYTES} to ${MAX_BYTES} bytes, found ${sizeBytes}`,
      );
    }
    const wordsBytes = Math.min(
      sizeBytes - sizeBytes % ALIGNMENT,
      MAX_USED_BYTES,
    );
    const buffer = new SharedArrayBuffer(wordsBytes + TAIL_BYTES);
    const arena = new Arena(buffer, holder);
    arena.words[TOP] = FIRST_BLOCK;
    arena.words[USED_WORDS] = FIRST_BLOCK;
    return arena;
  }

  /**
   * Attaches to an arena made by another thread.
   *
   * @param buffer The other arena's `buffer`.
   * @param holder See {@linkcode releaseReaders}.
   * @returns The arena, with a reader slot of its own.
   * @throws {Error} If 1,024 readers are attached already.
   */
  static attach(buffer: SharedArrayBuffer, holder = NO_HOLDER): Arena {
    return new Arena(buffer, holder);
  }

  /** Words in use: allocated, or retired and not yet free. */
  get usedWords(): number {
    return this.words[USED_WORDS];
  }

  /** Words from the start of the buffer that have ever been used. */
  get topWords(): number {
    return this.words[TOP];
  }

  /**
   * Takes over the content of another arena, as a checkpoint kept it: the first
   * `topWords` words are already in place. Frees what was kept for the readers
   * of that arena.
   */
  adoptContent(): void {
    while (this.words[RETIRED_COUNT] > 0) this.#freeOldest();
  }

  /** Gives the reader slot back; this instance must not be used again. */
  detach(): void {
    this.#readers.free();
  }

  /** The ids that other readers were made with. */
  holders(): Set<number> {
    return this.#readers.holders();
  }

  /**
   * Takes the reader slots of a thread that has died, and ends what it was
   * reading: nothing waits for it any more.
   *
   * @param holder The id that its instances were made with; it must not be
   * given to another thread before this returns.
   * @returns How many slots there were.
   */
  releaseReaders(holder: number): number {
    return this.#readers.releaseAll(holder);
  }

  /**
   * Begins reading: blocks reachable from now on stay as they are until
   * {@linkcode unpin}. Not nested.
   */
  pin(): void {
    // The store must come before the reader's first load of a link, in the
    // one order all threads agree on: then either the writer that wants to
    // advance the epoch sees this reader, or this reader sees everything
    // unlinked before that. A stale epoch is harmless, it only delays.
    this.#readers.enter(Atomics.load(this.words, EPOCH));
  }

  /** Ends reading. */
  unpin(): void {
    this.#readers.leave();
  }

  /**
   * Allocates a block. Its content is whatever was there before.
   *
   * @param size Its size, in words.
   * @param useReserve Whether it may take the last sixteenth of the arena,
   * which is kept for what does not make the index larger.
   * @param use What it is for.
   * @returns Its offset.
   * @throws {IndexFullError} If there is no room.
   */
  allocate(size: number, useReserve = false, use = NODE): number {
    const block = this.tryAllocate(size, useReserve, use);
    if (block === 0) throw new IndexFullError(this.words.byteLength);
    return block;
  }

  /** Like {@linkcode allocate}, but returns 0 if there is no room. */
  tryAllocate(size: number, useReserve: boolean, use: number): number {
    const words = this.words;
    const sizeClass = classOf(size);
    const sizeWords = classWords(sizeClass);
    const limit = useReserve
      ? words.length
      : words.length - (words.length >>> 4);
    let block = this.#reuse(sizeClass, use, limit);
    if (block === 0 && words[TOP] + sizeWords > limit) {
      // Two epochs on, everything retired so far is free.
      this.#advance();
      this.#advance();
      block = this.#reuse(sizeClass, use, limit);
      if (block === 0) return 0;
    }
    if (block === 0) {
      block = words[TOP];
      words[TOP] = block + sizeWords;
    }
    words[USED_WORDS] += sizeWords;
    return block;
  }

  /**
   * Makes sure that there is a free block for one use, if need be by cutting
   * up a larger one that was for another use or size: the last resort, since
   * blocks are never joined again.
   *
   * @param size Its size, in words.
   * @param use What it is for.
   * @returns Whether there is one.
   */
  makeFree(size: number, use: number): boolean {
    const words = this.words;
    const sizeClass = classOf(size);
    const own = listOf(sizeClass, use);
    if (words[own] !== 0) return true;
    const sizeWords = classWords(sizeClass);
    for (let larger = sizeClass + 1; larger < CLASSES; larger++) {
      for (const from of [TABLE, NODE]) {
        const block = words[listOf(larger, from)];
        if (block === 0) continue;
        words[listOf(larger, from)] = words[block];
        const end = block + classWords(larger);
        let at = block;
        for (let i = 0; i < MAX_CUTS && at + sizeWords <= end; i++) {
          this.#list(at, own);
          at += sizeWords;
        }
        this.#listRest(at, end);
        return true;
      }
    }
    return false;
  }

  /** Puts words that are in no block into lists, as few blocks as can be. */
  #listRest(at: number, end: number): void {
    while (at < end) {
      let sizeClass = classOf(end - at);
      if (classWords(sizeClass) > end - at) sizeClass--;
      this.#list(at, listOf(sizeClass, NODE));
      at += classWords(sizeClass);
    }
  }

  /** A block that was in use before, or 0. */
  #reuse(sizeClass: number, use: number, limit: number): number {
    const words = this.words;
    const list = listOf(sizeClass, use);
    const free = words[list];
    if (free !== 0) {
      words[list] = words[free];
      return free;
    }
    // A table that is replaced while the arena is full makes way for the next.
    if (sizeClass >= EXACT_CLASSES || words[TOP] > limit) return 0;
    const sizeWords = classWords(sizeClass);
    // Else the tables that an index has outgrown would lie idle for good.
    if (words[REST_WORDS] < sizeWords && !this.#nextRest()) return 0;
    const block = words[REST];
    words[REST] = block + sizeWords;
    words[REST_WORDS] -= sizeWords;
    return block;
  }

  /** Begins to cut up another large table, if there is one. */
  #nextRest(): boolean {
    const words = this.words;
    if (words[HAS_LARGE] === 0) return false;
    for (let i = EXACT_CLASSES; i < CLASSES; i++) {
      const list = listOf(i, TABLE);
      const block = words[list];
      if (block === 0) continue;
      words[list] = words[block];
      if (words[REST_WORDS] > 0) {
        this.#list(words[REST], listOf(words[REST_WORDS] - 1, NODE));
      }
      words[REST] = block;
      words[REST_WORDS] = classWords(i);
      return true;
    }
    words[HAS_LARGE] = 0;
    return false;
  }

  /** Puts a block into a free list. */
  #list(block: number, list: number): void {
    const words = this.words;
    words[block] = words[list];
    words[list] = block;
    if (list >= LARGE_TABLES) words[HAS_LARGE] = 1;
  }

  /**
   * Frees a block that no reader can have seen.
   *
   * @param block What {@linkcode allocate} returned.
   * @param size The size it was asked for, in words.
   * @param use What it was for.
   */
  free(block: number, size: number, use = NODE): void {
    this.#free(block, listOf(classOf(size), use));
  }

  #free(block: number, list: number): void {
    this.#list(block, list);
    this.words[USED_WORDS] -= classWords((list - FREE_LISTS) % CLASSES);
  }

  /**
   * Frees a block once no reader can see it any more. It must be unreachable
   * for readers that begin from now on; it stays untouched till then.
   *
   * @param block What {@linkcode allocate} returned.
   * @param size The size it was asked for, in words.
   * @param use What it was for.
   */
  retire(block: number, size: number, use = NODE): void {
    const words = this.words;
    if (words[RETIRED_COUNT] === RETIRED_CAPACITY) this.#makeRoom();
    const place = (words[RETIRED_FIRST] + words[RETIRED_COUNT]) %
      RETIRED_CAPACITY;
    const entry = RETIRED + place * RETIRED_ENTRY;
    words[entry] = block;
    words[entry + 1] = listOf(classOf(size), use);
    words[entry + 2] = words[EPOCH];
    words[RETIRED_COUNT]++;
    if (words[RETIRED_COUNT] % ADVANCE_AFTER === 0) this.#advance();
  }

  /** Moves to the next epoch if every reader has arrived in this one. */
  #advance(): void {
    const words = this.words;
    const epoch = words[EPOCH];
    if (!this.#readers.areAllIn(epoch)) return;
    const next = epoch === LAST_EPOCH ? 0 : epoch + 1;
    Atomics.store(words, EPOCH, next);
    // A reader may still be in this epoch or in the one being entered. What
    // was retired in the epoch before this one was out of reach for both.
    while (words[RETIRED_COUNT] > 0) {
      const entry = RETIRED + words[RETIRED_FIRST] * RETIRED_ENTRY;
      const retiredIn = words[entry + 2];
      if (retiredIn === epoch || retiredIn === next) return;
      this.#freeOldest();
    }
  }

  #freeOldest(): void {
    const entry = RETIRED + this.words[RETIRED_FIRST] * RETIRED_ENTRY;
    this.#free(this.words[entry], this.words[entry + 1]);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    const words = this.words;
    words[RETIRED_FIRST] = (words[RETIRED_FIRST] + 1) % RETIRED_CAPACITY;
    words[RETIRED_COUNT]--;
  }

  /** Waits for readers to move on; the ring is full. */
  #makeRoom(): void {
    const words = this.words;
    const deadline = performance.now() + READERS_TIMEOUT_MS;
    for (;;) {
      this.#advance();
      if (words[RETIRED_COUNT] < RETIRED_CAPACITY) return;
      // Not again for a reader that was waited for in vain.
      if (words[STUCK] === words[EPOCH] + 1) break;
      if (performance.now() > deadline) words[STUCK] = words[EPOCH] + 1;
    }
    // A reader died while it was reading. Never reusing the block is sound; it
    // is lost until the store is opened anew.
    this.#forgetOldest();
  }
}

/** The head of a free list. */
function listOf(sizeClass: number, use: number): number {
  return FREE_LISTS + use * CLASSES + sizeClass;
}

if (HAS_LARGE >= RETIRED) {
  throw new Error("The free lists do not fit before the retired blocks");
}
