/**
 * Reading the entries of the index in the order of their keys.
 *
 * Keys are strictly ascending, or descending. A key that is there all the while
 * is not missed; one that comes or goes meanwhile may be seen or not.
 *
 * @module
 */

import type { Arena } from "./arena.ts";
import type { Epochs } from "./epochs.ts";
import { emptyPointer, type LogPointer, readPointer } from "./log_pointer.ts";
import { PackedKey } from "./packed_key.ts";
import { MAX_HEIGHT, POINTER, Position, type SkipList } from "./skip_list.ts";

/** A key and where its newest record lies. */
export interface Entry {
  /** The key's bytes. */
  readonly key: Uint8Array;
  /** Where its newest record lies. */
  readonly pointer: LogPointer;
}

/** Which entries to read; all by default. */
export interface EntryRange {
  /** The first key. */
  readonly start?: Uint8Array;
  /** Instead of `start`: the entries after this key. */
  readonly after?: Uint8Array;
  /** Where to end: before this key. */
  readonly end?: Uint8Array;
}

/** Reads pages of entries, without a lock. */
export class EntryReader {
  readonly #words: Uint32Array;
  readonly #epochs: Epochs;
  readonly #list: SkipList;
  readonly #start: PackedKey;
  readonly #end: PackedKey;
  readonly #position = new Position({ isShared: true });

  /** @param list The list of the entries, whose memory is `arena`. */
  constructor(arena: Arena, list: SkipList) {
    this.#words = arena.words;
    this.#epochs = arena.epochs;
    this.#list = list;
    this.#start = new PackedKey(arena.words);
    this.#end = new PackedKey(arena.words);
  }

  /** See {@linkcode Keydir.page}. */
  page(limit: number, { start, after, end }: EntryRange): Entry[] {
    const list = this.#list;
    const from = after ?? start;
    const first = from && this.#start.pack(from);
    const stop = end && this.#end.pack(end);
    const nodes: number[] = [];
    this.#epochs.pin();
    try {
      let node = first === undefined
        ? list.next(list.head)
        : list.seek(first, this.#position);
      if (after !== undefined && node !== 0 && list.equals(node, this.#start)) {
        node = list.next(node);
      }
      while (
        node !== 0 && nodes.length < limit &&
        (stop === undefined || list.compare(node, stop) < 0)
      ) {
        nodes.push(node);
        node = list.next(node);
      }
      return this.#entriesOf(nodes);
    } finally {
      this.#epochs.unpin();
    }
  }

  /**
   * See {@linkcode Keydir.pageBackwards}. There are no links backwards: it goes
   * to a node some way before the end, which the upper levels lead to, and from
   * there forwards.
   */
  pageBackwards(limit: number, { start, end }: EntryRange): Entry[] {
    const list = this.#list;
    const { before } = this.#position;
    const last = start && this.#start.pack(start);
    let stop = end && this.#end.pack(end);
    // Of the nodes at this level there is one in 4 ** level.
    const level = Math.min(Math.floor(Math.log2(limit) / 2), MAX_HEIGHT - 1);
    const nodes: number[] = [];
    this.#epochs.pin();
    try {
      let isDone = false;
      while (!isDone && nodes.length < limit) {
        // Where that level is not in use, the search leaves it alone.
        before[level] = list.head;
        if (stop === undefined) list.seekEnd(this.#position);
        else list.seek(stop, this.#position);
        const run = before[level] === list.head ? [] : [before[level]];
        let node = list.next(before[level]);
        while (
          node !== 0 && (stop === undefined || list.compare(node, stop) < 0)
        ) {
          run.push(node);
          node = list.next(node);
        }
        if (run.length === 0) break;
        for (let i = run.length - 1; i >= 0 && nodes.length < limit; i--) {
          isDone = last !== undefined && list.compare(run[i], last) < 0;
          if (isDone) break;
          nodes.push(run[i]);
        }
        stop = list.keyOf(run[0], this.#end);
      }
      return this.#entriesOf(nodes);
    } finally {
      this.#epochs.unpin();
    }
  }

  /** Only while pinned. */
  #entriesOf(nodes: readonly number[]): Entry[] {
    const words = this.#words;
    const keys = this.#list.keysOf(nodes);
    return nodes.map((node, i) => {
      const pointer = emptyPointer();
      // Acquires the pointer: its words were written before this link to it.
      readPointer(words, Atomics.load(words, node + POINTER), pointer);
      return { key: keys[i], pointer };
    });
  }
}
