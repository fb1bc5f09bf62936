/**
 * Memory for the index: blocks of words inside one SharedArrayBuffer.
 *
 * @module
 */

import { IndexFullError } from "../../errors.ts";
import { Epochs, NO_HOLDER, READER_WORDS } from "./epochs.ts";
import {
  CLASSES,
  classOf,
  classWords,
  EXACT_CLASSES,
  FIRST_BLOCK,
  FREE_LISTS,
  HAS_LARGE,
  NODE,
  REST,
  REST_WORDS,
  TABLE,
  TOP,
  USED_WORDS,
  VERSION_WORDS,
} from "./layout.ts";

/** The free lists from here on are of tables that blocks can be cut from. */
const LARGE_TABLES = FREE_LISTS + TABLE * CLASSES + EXACT_CLASSES;

/** The most blocks that one is cut into at a time. */
const MAX_CUTS = 64;

/** What comes after all blocks, on top of the arena's size, in bytes. */
const TAIL_BYTES = (VERSION_WORDS + READER_WORDS) * 4;

/** Sizes are multiples of it, in bytes, so that slots lie in cache lines. */
const ALIGNMENT = 64;

/** The least an index can be, in bytes. */
const MIN_BYTES = 2 ** 18;

/** The most an index can be: offsets are 32-bit counts of 32-bit words. */
const MAX_BYTES = 2 ** 34;
/** The offset after the last word must be a 32-bit number as well. */
const MAX_USED_BYTES = MAX_BYTES - ALIGNMENT;

/**
 * Blocks of 32-bit words in shared memory, named by their word offset; offset
 * zero is no block. A block has no header: who gives it back knows its size.
 *
 * Allocation is for one writer at a time, who holds the store's write lock. A
 * block that readers can reach is given back with {@linkcode retire}.
 */
export class Arena {
  /** All that a checkpoint keeps. */
  readonly words: Uint32Array;
  /** Counters for versions of keys, at first zero; no checkpoint keeps them. */
  readonly versions: Uint32Array;
  readonly buffer: SharedArrayBuffer;
  /** Who reads, and what waits to be free. */
  readonly epochs: Epochs;

  private constructor(buffer: SharedArrayBuffer, holder: number) {
    this.buffer = buffer;
    const wordsBytes = buffer.byteLength - TAIL_BYTES;
    const slotsAt = buffer.byteLength - READER_WORDS * 4;
    this.words = new Uint32Array(buffer, 0, wordsBytes / 4);
    this.versions = new Uint32Array(buffer, wordsBytes, VERSION_WORDS);
    this.epochs = new Epochs({
      words: this.words,
      slots: new Uint32Array(buffer, slotsAt),
      holder,
      free: (block, list) => this.#free(block, list),
    });
  }

  /**
   * Makes an empty arena, from 256 KiB to 16 GiB. Memory is committed at first
   * use. `holder` is the id that {@linkcode Epochs.release} knows it by.
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

  /** Attaches to another thread's arena; throws if too many readers have. */
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
   * Allocates a block of so many words, with whatever was there before.
   *
   * @param useReserve Whether it may take the last sixteenth of the arena,
   * which is kept for what does not make the index larger.
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
      this.epochs.advance();
      this.epochs.advance();
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

  /** Frees a block that no reader can have seen. */
  free(block: number, size: number, use = NODE): void {
    this.#free(block, listOf(classOf(size), use));
  }

  #free(block: number, list: number): void {
    this.#list(block, list);
    this.words[USED_WORDS] -= classWords((list - FREE_LISTS) % CLASSES);
  }

  /**
   * Frees a block that was linked, once no reader can see it any more: see
   * {@linkcode Epochs.retire}.
   */
  retire(block: number, size: number, use = NODE): void {
    this.epochs.retire(block, listOf(classOf(size), use));
  }
}

/** The head of a free list. */
function listOf(sizeClass: number, use: number): number {
  return FREE_LISTS + use * CLASSES + sizeClass;
}
