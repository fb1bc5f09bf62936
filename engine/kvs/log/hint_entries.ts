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

import { orderOf } from "./key_order.ts";
import type { FileWindow } from "./file_window.ts";
import {
  getUint32,
  putUint32,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./record.ts";

const ENTRY_BYTES = 20;
const KEY_LENGTH = 16;

/** What an entry says of a record. */
export interface HintEntry {
  key: Uint8Array;
  /** Its segment's file id. */
  segment: number;
  /** Where it begins, in bytes. */
  offset: number;
  /** Its length in bytes. */
  length: number;
  sequence: number;
  tombstone: boolean;
}

/** Called for each entry, in key order; the entry is reused after the call. */
export type HintVisitor = (entry: HintEntry) => void;

/** Collects entries in file order, and gives them in key order. */
export class HintEntries {
  readonly #bytes: Uint8Array;
  #end = 0;
  /** Where each entry's key begins, and where it ends with the entry. */
  readonly #keyStarts: Uint32Array;
  readonly #keyEnds: Uint32Array;
  #count = 0;

  /**
   * @param maxBytes The size of all records that will be added, at most, in
   * bytes. Memory is committed only for what there is of them.
   */
  constructor(maxBytes: number) {
    // No entry is longer than its record.
    this.#bytes = new Uint8Array(maxBytes);
    const maxCount = Math.ceil(maxBytes / RECORD_HEADER_BYTES);
    this.#keyStarts = new Uint32Array(maxCount);
    this.#keyEnds = new Uint32Array(maxCount);
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
    this.#end += length;
    this.#keyStarts[this.#count] = at + ENTRY_BYTES;
    this.#keyEnds[this.#count++] = this.#end;
  }

  /**
   * Writes all entries, in key order.
   *
   * @param into Where to, with room for {@linkcode sizeBytes} from `at`.
   * @param at Where the first one begins.
   */
  writeSorted(into: Uint8Array, at: number): void {
    for (const i of this.#order()) {
      const start = this.#keyStarts[i] - ENTRY_BYTES;
      const entry = this.#bytes.subarray(start, this.#keyEnds[i]);
      into.set(entry, at);
      at += entry.length;
    }
  }

  /**
   * Visits all entries, in key order.
   *
   * @param segment The file id of their segment.
   * @param visit Called for each.
   */
  visitSorted(segment: number, visit: HintVisitor): void {
    const entry = { segment } as HintEntry;
    for (const i of this.#order()) {
      const start = this.#keyStarts[i] - ENTRY_BYTES;
      decodeEntry(this.#bytes, start, entry);
      visit(entry);
    }
  }

  #order(): Uint32Array {
    return orderOf({
      bytes: this.#bytes,
      starts: this.#keyStarts.subarray(0, this.#count),
      ends: this.#keyEnds.subarray(0, this.#count),
    });
  }
}

/**
 * Visits the entries of a hint file.
 *
 * @param window The file.
 * @param range Where the first entry begins and the last one ends, in bytes.
 * @param segment The file id of their segment.
 * @param visit Called for each.
 */
export function visitEntries(
  window: FileWindow,
  { from, to }: { readonly from: number; readonly to: number },
  segment: number,
  visit: HintVisitor,
): void {
  const entry = { segment } as HintEntry;
  for (let at = from; at < to;) {
    const length = entryLength(window.at(at, ENTRY_BYTES)!, 0);
    decodeEntry(window.at(at, length)!, 0, entry);
    visit(entry);
    at += length;
  }
}

function decodeEntry(bytes: Uint8Array, at: number, into: HintEntry): void {
  into.key = bytes.subarray(at + ENTRY_BYTES, at + entryLength(bytes, at));
  into.offset = getUint32(bytes, at);
  into.length = getUint32(bytes, at + 4);
  into.sequence = getUint32(bytes, at + 8) +
    (bytes[at + 12] | bytes[at + 13] << 8) * 2 ** 32;
  into.tombstone = bytes[at + 14] === 1;
}

function entryLength(bytes: Uint8Array, at: number): number {
  return ENTRY_BYTES + getUint32(bytes, at + KEY_LENGTH);
}
