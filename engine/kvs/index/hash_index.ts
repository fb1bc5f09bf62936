/**
 * The hash tables of the index: from a key to its node in one or two steps
 * instead of a descent of the list, for one writer at a time and readers that
 * take no lock.
 *
 * **Tables.** Up to 1,024 small ones, chosen by the first bits of the hash, so
 * that one that grows never holds the write lock for long. Each has open
 * addressing with linear probing, and slots that hold the offsets of nodes.
 *
 * **Order of changes.** A key comes into its table before its node is linked into
 * the list, and goes out before the node is unlinked. So look-ups of a key agree
 * with each other, and a key that a run of entries has shown is found.
 *
 * **Growing.** A new table is filled before one atomic store puts it in the place
 * of the old one, which goes back through the epochs.
 *
 * **Removing.** A slot is emptied where nothing lies after it; else it is marked,
 * for a search must go on after it.
 *
 * **Without memory.** Where there is none for a larger table, nodes stay outside,
 * and what is not found in a table with nodes outside is looked for in the list.
 * So it is never for want of a table that a key does not fit. A reader loads the
 * count of these nodes before the slots: if it is zero, each node that was linked
 * as the table was loaded is in it, and stays there as long as it is linked.
 *
 * **Loading.** While a store is opened the tables are deferred: all are made at
 * the end, each as small as can be.
 *
 * @module
 */

import type { Arena } from "./arena.ts";
import { DIRECTORY, TABLE, TABLE_SHIFT } from "./layout.ts";
import type { PackedKey } from "./packed_key.ts";
import type { SkipList } from "./skip_list.ts";

/** The most tables, and how much index memory there is for each, in words. */
const MAX_TABLES = 1_024;
const WORDS_PER_TABLE = 4_096;

// A table: its number of slots less one, how many of its nodes are not in it,
// how many slots are not empty, how many of them hold a node, how many keys are
// about to come, the slots. Readers need the first two, from one cache line.
const MASK = 0;
const OUTSIDE = 1;
const FILLED = 2;
const LIVE = 3;
const RESERVED = 4;
const TABLE_HEADER = 5;

const MIN_SLOTS = 8;

const EMPTY = 0;
/** A slot whose node was removed: a search goes on after it. No node is 1. */
const REMOVED = 1;

/** Eighths of the slots that are filled before a table is replaced. */
const GROW_AT = 6;
/** Eighths of the slots that are filled at most. */
const FULL_AT = 7;

/** Tables in an {@linkcode Arena} that lead to the nodes of a list. */
export class HashIndex {
  readonly #arena: Arena;
  readonly #words: Uint32Array;
  readonly #list: SkipList;
  /** While the tables are deferred: how many keys each will have. */
  #deferred: Uint32Array | undefined;

  /** @param arena Where the tables are; {@linkcode format} has been called. */
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
    for (let i = 0; i < 2 ** bits; i++) {
      words[directory + i] = makeTable(arena, MIN_SLOTS, false);
    }
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
   */
  build(): void {
    if (this.#deferred === undefined) return;
    const words = this.#words;
    this.#deferred.forEach((count, i) => {
      let slots = MIN_SLOTS;
      while (count * 8 > slots * GROW_AT) slots *= 2;
      if (slots > MIN_SLOTS) this.#replace(words[DIRECTORY] + i, slots, true);
    });
    const list = this.#list;
    for (let node = list.next(list.head); node !== 0; node = list.next(node)) {
      const hash = list.hashOf(node);
      this.#put(words[this.#entry(hash)], hash, node);
    }
    this.#deferred = undefined;
  }

  /** The node with a key, or 0. */
  find(key: PackedKey): number {
    if (this.#deferred !== undefined) return this.#list.find(key);
    const words = this.#words;
    const { hash } = key;
    // Acquires the table: it was filled before this store of it.
    const table = Atomics.load(words, this.#entry(hash));
    // Before the slots, or a node could come to be outside in between.
    const outside = Atomics.load(words, table + OUTSIDE);
    const mask = words[table + MASK];
    // Ends: an eighth of the slots at least is empty.
    for (let i = hash & mask;; i = (i + 1) & mask) {
      // Acquires the node: its words were written before this store of it.
      const node = Atomics.load(words, table + TABLE_HEADER + i);
      if (node === EMPTY) return outside === 0 ? 0 : this.#list.find(key);
      if (node !== REMOVED && this.#list.equals(node, key)) return node;
    }
  }

  /**
   * Notes that one more key is about to come, until it is inserted or released,
   * and makes room for it if there is memory. Writer only.
   */
  reserve(hash: number, useReserve: boolean): void {
    if (this.#deferred !== undefined) return;
    const words = this.#words;
    const entry = this.#entry(hash);
    const table = words[entry];
    const filled = words[table + FILLED] + words[table + RESERVED] + 1;
    if (filled * 8 > (words[table + MASK] + 1) * GROW_AT) {
      this.#makeRoom(entry, useReserve);
    }
    words[words[entry] + RESERVED]++;
  }

  /** Takes back that a key is about to come. Writer only. */
  release(hash: number): void {
    if (this.#deferred !== undefined) return;
    this.#words[this.#words[this.#entry(hash)] + RESERVED]--;
  }

  /** Puts in a node, which is whole, for a key that was to come. Writer only. */
  insert(hash: number, node: number): void {
    const words = this.#words;
    if (this.#deferred !== undefined) {
      this.#deferred[hash >>> words[TABLE_SHIFT]]++;
      return;
    }
    const table = words[this.#entry(hash)];
    words[table + RESERVED]--;
    this.#put(table, hash, node);
  }

  /** Takes a node out. Writer only. */
  remove(hash: number, node: number): void {
    const words = this.#words;
    if (this.#deferred !== undefined) {
      this.#deferred[hash >>> words[TABLE_SHIFT]]--;
      return;
    }
    const table = words[this.#entry(hash)];
    const slots = table + TABLE_HEADER;
    const mask = words[table + MASK];
    let i = hash & mask;
    while (words[slots + i] !== node) {
      if (words[slots + i] === EMPTY) {
        Atomics.store(words, table + OUTSIDE, words[table + OUTSIDE] - 1);
        return;
      }
      i = (i + 1) & mask;
    }
    words[table + LIVE]--;
    if (words[slots + ((i + 1) & mask)] !== EMPTY) {
      Atomics.store(words, slots + i, REMOVED);
      return;
    }
    // Nothing lies after it, so a search may end here as well, and at the
    // removed ones before it.
    do {
      Atomics.store(words, slots + i, EMPTY);
      words[table + FILLED]--;
      i = (i - 1) & mask;
    } while (words[slots + i] === REMOVED);
  }

  /** Replaces a table by one in which there is room again, if there is memory. */
  #makeRoom(entry: number, useReserve: boolean): void {
    const words = this.#words;
    const table = words[entry];
    const oldSlots = words[table + MASK] + 1;
    const wanted = words[table + LIVE] + words[table + RESERVED] + 1;
    let slots = MIN_SLOTS;
    // Half full at most, so that the next time is as far away as this one.
    while (slots < wanted * 2) slots *= 2;
    // One that only gets rid of removed slots makes the index no larger.
    if (this.#replace(entry, slots, useReserve || slots <= oldSlots)) return;
    // Nor does one of the same size; it is worth its copying only where it gets
    // rid of many.
    const removed = words[table + FILLED] - words[table + LIVE];
    if (removed * 8 >= oldSlots) this.#replace(entry, oldSlots, true);
  }

  /** Replaces a table by one with other slots; says whether there is memory. */
  #replace(entry: number, slots: number, useReserve: boolean): boolean {
    const words = this.#words;
    const old = words[entry];
    const table = makeTable(this.#arena, slots, useReserve);
    if (table === 0) return false;
    words[table + RESERVED] = words[old + RESERVED];
    words[table + OUTSIDE] = words[old + OUTSIDE];
    const end = old + TABLE_HEADER + words[old + MASK] + 1;
    for (let slot = old + TABLE_HEADER; slot < end; slot++) {
      const node = words[slot];
      if (node > REMOVED) this.#put(table, this.#list.hashOf(node), node);
    }
    // Releases the table's words to a reader that loads it.
    Atomics.store(words, entry, table);
    this.#arena.retire(old, end - old, TABLE);
    return true;
  }

  /** Puts a node into a table, or counts it as outside where that is full. */
  #put(table: number, hash: number, node: number): void {
    const words = this.#words;
    const mask = words[table + MASK];
    let i = hash & mask;
    while (words[table + TABLE_HEADER + i] > REMOVED) i = (i + 1) & mask;
    const slot = table + TABLE_HEADER + i;
    if (words[slot] === EMPTY) {
      const filled = words[table + FILLED] + 1;
      if (filled * 8 > (mask + 1) * FULL_AT) {
        Atomics.store(words, table + OUTSIDE, words[table + OUTSIDE] + 1);
        return;
      }
      words[table + FILLED] = filled;
    }
    words[table + LIVE]++;
    // Releases the node's words to a reader that loads the slot.
    Atomics.store(words, slot, node);
  }

  #entry(hash: number): number {
    return this.#words[DIRECTORY] + (hash >>> this.#words[TABLE_SHIFT]);
  }
}

/** An empty table, or 0 where there is no memory for it. */
function makeTable(arena: Arena, slots: number, useReserve: boolean): number {
  const { words } = arena;
  const table = arena.tryAllocate(TABLE_HEADER + slots, useReserve, TABLE);
  if (table === 0) return 0;
  words.fill(0, table, table + TABLE_HEADER + slots);
  words[table + MASK] = slots - 1;
  return table;
}
