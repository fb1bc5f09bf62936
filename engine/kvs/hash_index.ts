/**
 * The shortcut to a key's node: a hash index beside the skip list.
 *
 * @module
 */

import { type Arena, USER_WORDS } from "./arena.ts";
import type { SkipList } from "./skip_list.ts";

// Words of the arena's header that belong to the hash index.
/** A table for each value of the first bits of the hash. */
const DIRECTORY = USER_WORDS + 4;
/** How many bits of the hash to leave out for them. */
const TABLE_SHIFT = USER_WORDS + 6;

/** The most tables, and how much index memory there is for each, in words. */
const MAX_TABLES = 1_024;
const WORDS_PER_TABLE = 4_096;

// A table: its number of slots less one, how many slots are not empty, how
// many of them hold a node, how many keys may still come for sure, the slots.
const MASK = 0;
const FILLED = 1;
const LIVE = 2;
const RESERVED = 3;
const TABLE_HEADER = 4;

const MIN_SLOTS = 8;

const EMPTY = 0;
/** A slot whose node was removed: looking goes on behind it. No node is 1. */
const REMOVED = 1;

/**
 * Finds the node of a key in one or two steps instead of a descent: hash
 * tables of node offsets in the same arena, open addressing with linear
 * probing, for one writer and lock-free readers like the list.
 *
 * A key is in it exactly while it can be found: it comes in before the node is
 * linked into the list, and goes out before it is unlinked. There are many
 * small tables rather than a large one, so that growing never holds the write
 * lock for long. A table that has grown is replaced as a whole, and the old
 * one goes back through the arena's epochs.
 */
export class HashIndex {
  readonly #arena: Arena;
  readonly #words: Uint32Array;
  readonly #list: SkipList;
  /** While the tables are deferred: how many keys each will have. */
  #deferred: Uint32Array | undefined;

  /**
   * @param arena Where the tables are; {@linkcode format} has been called.
   * @param list The list of the nodes. Look-ups are for its probe.
   */
  constructor(arena: Arena, list: SkipList) {
    this.#arena = arena;
    this.#words = arena.words;
    this.#list = list;
  }

  /** Makes an empty index in an arena. */
  static format(arena: Arena): void {
    const words = arena.words;
    let bits = Math.log2(MAX_TABLES);
    while (bits > 4 && words.length < WORDS_PER_TABLE * 2 ** bits) bits--;
    const directory = arena.allocate(2 ** bits);
    words.fill(0, directory, directory + 2 ** bits);
    words[DIRECTORY] = directory;
    words[TABLE_SHIFT] = 32 - bits;
  }

  /**
   * Leaves the tables of an empty index alone until {@linkcode build}: look-ups
   * go to the list. Only while nobody else looks at it.
   */
  defer(): void {
    this.#deferred = new Uint32Array(2 ** (32 - this.#words[TABLE_SHIFT]));
  }

  /**
   * Makes the tables for all nodes of the list at once, each as small as can
   * be: cheaper than to grow them node by node, in time and in memory.
   *
   * @throws {IndexFullError} If there is no room.
   */
  build(): void {
    if (this.#deferred === undefined) return;
    const words = this.#words;
    this.#deferred.forEach((count, i) => {
      if (count === 0) return;
      let slots = MIN_SLOTS;
      while (count * 4 > slots * 3) slots *= 2;
      words[words[DIRECTORY] + i] = this.#makeTable(slots, true);
    });
    const head = this.#list.head;
    for (let node = words[head - 1]; node !== 0; node = words[node - 1]) {
      const hash = this.#list.hashOf(node);
      this.#put(words[this.#entry(hash)], hash, node);
    }
    this.#deferred = undefined;
  }

  /**
   * The probe's node, or 0. For readers, who take no lock.
   *
   * @param hash The probe's hash.
   */
  find(hash: number): number {
    if (this.#deferred !== undefined) {
      const node = this.#list.findAtLeast();
      return node !== 0 && this.#list.equalsProbe(node) ? node : 0;
    }
    const words = this.#words;
    // Acquires the table: it was filled before this store of it.
    const table = Atomics.load(words, this.#entry(hash));
    if (table === 0) return 0;
    const mask = words[table + MASK];
    // Ends: a quarter of the slots at least is empty.
    for (let i = hash & mask;; i = (i + 1) & mask) {
      // Acquires the node: its words were written before this store of it.
      const node = Atomics.load(words, table + TABLE_HEADER + i);
      if (node === EMPTY) return 0;
      if (node !== REMOVED && this.#list.equalsProbe(node)) return node;
    }
  }

  /**
   * Makes sure that there is room for one more key, until it is inserted or
   * the place is given back. Writer only.
   *
   * @param hash The key's hash.
   * @param useReserve See {@linkcode Arena.allocate}.
   * @throws {IndexFullError} If there is no room.
   */
  reserve(hash: number, useReserve: boolean): void {
    if (this.#deferred !== undefined) return;
    const words = this.#words;
    const entry = this.#entry(hash);
    let table = words[entry];
    if (
      table === 0 ||
      (words[table + FILLED] + words[table + RESERVED] + 1) * 4 >
        (words[table + MASK] + 1) * 3
    ) table = this.#rebuild(entry, useReserve);
    words[table + RESERVED]++;
  }

  /** Gives a place back that was reserved. Writer only. */
  release(hash: number): void {
    if (this.#deferred !== undefined) return;
    this.#words[this.#words[this.#entry(hash)] + RESERVED]--;
  }

  /** Puts a node, which is whole, into a place reserved for it. Writer only. */
  insert(hash: number, node: number): void {
    const words = this.#words;
    if (this.#deferred !== undefined) {
      this.#deferred[hash >>> words[TABLE_SHIFT]]++;
      return;
    }
    const table = words[this.#entry(hash)];
    const mask = words[table + MASK];
    let i = hash & mask;
    while (words[table + TABLE_HEADER + i] > REMOVED) i = (i + 1) & mask;
    const slot = table + TABLE_HEADER + i;
    if (words[slot] === EMPTY) words[table + FILLED]++;
    words[table + LIVE]++;
    words[table + RESERVED]--;
    // Releases the node's words to whoever loads the slot.
    Atomics.store(words, slot, node);
  }

  /** Takes a node out. Writer only. */
  remove(hash: number, node: number): void {
    const words = this.#words;
    if (this.#deferred !== undefined) {
      this.#deferred[hash >>> words[TABLE_SHIFT]]--;
      return;
    }
    const table = words[this.#entry(hash)];
    const mask = words[table + MASK];
    let i = hash & mask;
    while (words[table + TABLE_HEADER + i] !== node) i = (i + 1) & mask;
    words[table + LIVE]--;
    const slots = table + TABLE_HEADER;
    if (words[slots + ((i + 1) & mask)] !== EMPTY) {
      Atomics.store(words, slots + i, REMOVED);
      return;
    }
    // Nothing lies behind it, so looking may end here as well, and at the
    // removed ones before it.
    do {
      Atomics.store(words, slots + i, EMPTY);
      words[table + FILLED]--;
      i = (i - 1) & mask;
    } while (words[slots + i] === REMOVED);
  }

  /** Replaces a table by one in which there is room again. */
  #rebuild(entry: number, useReserve: boolean): number {
    const words = this.#words;
    const old = words[entry];
    const reserved = old === 0 ? 0 : words[old + RESERVED];
    const wanted = (old === 0 ? 0 : words[old + LIVE]) + reserved + 1;
    let slots = MIN_SLOTS;
    // Half full at most, so that the next time is as far away as this one.
    while (slots < wanted * 2) slots *= 2;
    // One that only gets rid of removed slots makes the index no larger.
    const isLarger = old === 0 || slots > words[old + MASK] + 1;
    const table = this.#makeTable(slots, useReserve || !isLarger);
    words[table + RESERVED] = reserved;
    if (old !== 0) this.#copyNodes(old, table);
    // Releases the table to whoever loads it.
    Atomics.store(words, entry, table);
    if (old !== 0) {
      this.#arena.retire(old, TABLE_HEADER + words[old + MASK] + 1);
    }
    return table;
  }

  #copyNodes(from: number, to: number): void {
    const words = this.#words;
    const end = from + TABLE_HEADER + words[from + MASK] + 1;
    for (let slot = from + TABLE_HEADER; slot < end; slot++) {
      const node = words[slot];
      if (node > REMOVED) this.#put(to, this.#list.hashOf(node), node);
    }
  }

  #makeTable(slots: number, useReserve: boolean): number {
    const table = this.#arena.allocate(TABLE_HEADER + slots, useReserve);
    this.#words.fill(0, table, table + TABLE_HEADER + slots);
    this.#words[table + MASK] = slots - 1;
    return table;
  }

  /** Puts a node into a table that no reader looks at yet. */
  #put(table: number, hash: number, node: number): void {
    const words = this.#words;
    const mask = words[table + MASK];
    let i = hash & mask;
    while (words[table + TABLE_HEADER + i] !== EMPTY) i = (i + 1) & mask;
    words[table + TABLE_HEADER + i] = node;
    words[table + FILLED]++;
    words[table + LIVE]++;
  }

  #entry(hash: number): number {
    return this.#words[DIRECTORY] + (hash >>> this.#words[TABLE_SHIFT]);
  }
}
