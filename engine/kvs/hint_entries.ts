/**
 * The entries of a hint file: what opening a store has to know of each record
 * of a segment.
 *
 * ```text
 * offset  size  field
 *      0     4  where the record begins in the segment
 *      4     4  the record's length in bytes
 *      8     6  the record's sequence number
 *     14     2  1 for a tombstone, else 0
 *     16     4  key length in bytes
 *     20        key
 * ```
 *
 * @module
 */

import type { FileWindow } from "./file_window.ts";
import type { IndexLoader } from "./index_loader.ts";
import {
  getUint32,
  putUint32,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./record.ts";

const ENTRY_BYTES = 20;
const KEY_LENGTH = 16;

/** Key bytes that take part in one round of sorting. */
const SORT_BYTES = 3;

/** Collects entries in file order, and gives them in key order. */
export class HintEntries {
  readonly #bytes: Uint8Array;
  #end = 0;
  readonly #starts: Uint32Array;
  #count = 0;

  /**
   * @param maxBytes The size of all records that will be added, at most, in
   * bytes. Memory is committed only for what there is of them.
   */
  constructor(maxBytes: number) {
    // No entry is longer than its record.
    this.#bytes = new Uint8Array(maxBytes);
    this.#starts = new Uint32Array(Math.ceil(maxBytes / RECORD_HEADER_BYTES));
  }

  /** The number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Their size in bytes. */
  get sizeBytes(): number {
    return this.#end;
  }

  /**
   * Adds a record.
   *
   * @param header Its header.
   * @param offset Where it begins in the segment, in bytes.
   * @param record The whole record; not kept.
   */
  add(header: RecordHeader, offset: number, record: Uint8Array): void {
    const length = ENTRY_BYTES + header.keyLength;
    const at = this.#end;
    const bytes = this.#bytes;
    putUint32(bytes, at, offset);
    putUint32(bytes, at + 4, record.length);
    for (let i = 0; i < 6; i++) bytes[at + 8 + i] = record[4 + i];
    bytes[at + 14] = header.tombstone ? 1 : 0;
    bytes[at + 15] = 0;
    putUint32(bytes, at + KEY_LENGTH, header.keyLength);
    const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
    bytes.set(record.subarray(RECORD_HEADER_BYTES, keyEnd), at + ENTRY_BYTES);
    this.#starts[this.#count++] = at;
    this.#end += length;
  }

  /**
   * Writes all entries, in key order.
   *
   * @param into Where to, with room for {@linkcode sizeBytes} from `at`.
   * @param at Where the first one begins.
   */
  writeSorted(into: Uint8Array, at: number): void {
    this.#sort();
    for (let i = 0; i < this.#count; i++) {
      const start = this.#starts[i];
      const entry = this.#bytes.subarray(
        start,
        start + entryLength(this.#bytes, start),
      );
      into.set(entry, at);
      at += entry.length;
    }
  }

  /**
   * Loads all entries into the index, in key order.
   *
   * @param segment The file id of their segment.
   * @param loader Where they go.
   */
  loadSorted(segment: number, loader: IndexLoader): void {
    this.#sort();
    for (let i = 0; i < this.#count; i++) {
      loadEntry(this.#bytes, this.#starts[i], segment, loader);
    }
  }

  /**
   * Sorts the entries by key: from the first bytes to the last (MSD radix
   * sort), three at a time, which become numbers that the platform sorts
   * without a call to a comparison in JavaScript.
   */
  #sort(): void {
    const pairs = new BigUint64Array(this.#count);
    // The low word of a pair is an entry's start, the high word what it is
    // sorted by.
    const words = new Uint32Array(pairs.buffer);
    const ranges = [{ from: 0, to: this.#count, depth: 0 }];
    for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
      const { from, to } = range;
      const depth = this.#commonPrefix(from, to, range.depth);
      for (let i = from; i < to; i++) {
        words[2 * i] = this.#starts[i];
        words[2 * i + 1] = this.#sortWord(this.#starts[i], depth);
      }
      pairs.subarray(from, to).sort();
      let runFrom = from;
      for (let i = from; i < to; i++) {
        this.#starts[i] = words[2 * i];
        const word = words[2 * i + 1];
        if (i + 1 < to && words[2 * i + 3] === word) continue;
        // Of keys that end here, equal words are equal keys.
        if (i > runFrom && (word & 0xff) === SORT_BYTES) {
          ranges.push({ from: runFrom, to: i + 1, depth: depth + SORT_BYTES });
        }
        runFrom = i + 1;
      }
    }
  }

  /** How many bytes the keys of a range have in common, `depth` at least. */
  #commonPrefix(from: number, to: number, depth: number): number {
    const bytes = this.#bytes;
    const first = this.#starts[from];
    let common = getUint32(bytes, first + KEY_LENGTH);
    for (let i = from + 1; i < to && common > depth; i++) {
      const start = this.#starts[i];
      common = Math.min(common, getUint32(bytes, start + KEY_LENGTH));
      let at = depth;
      while (
        at < common &&
        bytes[first + ENTRY_BYTES + at] === bytes[start + ENTRY_BYTES + at]
      ) at++;
      common = at;
    }
    return Math.max(common, depth);
  }

  /** The next bytes of a key as a number, and how many there are of them. */
  #sortWord(start: number, depth: number): number {
    const left = getUint32(this.#bytes, start + KEY_LENGTH) - depth;
    const count = left < SORT_BYTES ? left : SORT_BYTES;
    const at = start + ENTRY_BYTES + depth;
    let word = count;
    for (let i = 0, shift = 24; i < count; i++, shift -= 8) {
      word |= this.#bytes[at + i] << shift;
    }
    return word >>> 0;
  }
}

/**
 * Loads the entries of a hint file into the index.
 *
 * @param window The file.
 * @param at Where the first entry begins, in bytes.
 * @param end Where the last one ends.
 * @param segment The file id of their segment.
 * @param loader Where they go.
 */
export function loadEntries(
  window: FileWindow,
  at: number,
  end: number,
  segment: number,
  loader: IndexLoader,
): void {
  while (at < end) {
    const length = entryLength(window.at(at, ENTRY_BYTES)!, 0);
    loadEntry(window.at(at, length)!, 0, segment, loader);
    at += length;
  }
}

function loadEntry(
  bytes: Uint8Array,
  at: number,
  segment: number,
  loader: IndexLoader,
): void {
  loader.add(
    bytes.subarray(at + ENTRY_BYTES, at + entryLength(bytes, at)),
    segment,
    getUint32(bytes, at),
    getUint32(bytes, at + 4),
    getUint32(bytes, at + 8) + (bytes[at + 12] | bytes[at + 13] << 8) * 2 ** 32,
    bytes[at + 14] === 1,
    true,
  );
}

function entryLength(bytes: Uint8Array, at: number): number {
  return ENTRY_BYTES + getUint32(bytes, at + KEY_LENGTH);
}
