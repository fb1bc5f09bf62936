/**
 * The memory of a cache of records.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { isStable, NO_VERSION } from "../index/versions.ts";
import type { LogPointer } from "../index/log_pointer.ts";
import { hasKey, RECORD_HEADER_BYTES } from "../log/record.ts";
import { decodeTextAt } from "./text_bytes.ts";

// An entry in the ring, in words: where the record lies, its length, a version
// of its key in which it was the newest, then the record itself.
const SEGMENT = 0;
const OFFSET = 1;
const LENGTH = 2;
const VERSION = 3;
const ENTRY_HEADER_BYTES = 16;

/** Places for each hash, of which the oldest entry makes room. */
const WAYS = 4;

/** Ring bytes for each place in the table: small records find a place too. */
const BYTES_PER_PLACE = 64;

/** A record larger than this part of the ring goes past it. */
const LARGEST_PART = 64;

/** Entries begin at multiples of this, so that words can be read there. */
const ALIGNMENT = 4;

/**
 * Records in a ring, the newest after the last; the oldest are overwritten.
 * One that is found again when half the ring has been written since moves to
 * the front, so what is in use stays (as a clock's second chance does, Corbató
 * 1968). A table, a few places for each hash of a key, says where in the ring a
 * record is.
 */
export class RecordRing {
  readonly #bytes: Uint8Array;
  /** The same memory, as text is decoded from it. */
  readonly #buffer: Buffer;
  readonly #words: Uint32Array;
  /**
   * For each hash where its entry begins, counted in all bytes ever written:
   * so that one that has been overwritten is told from one that has not.
   */
  readonly #table: Float64Array;
  /** All bytes ever written. */
  #written: number;
  /** Where in the ring {@linkcode #place} has found what it looked for, or -1. */
  #foundAt = -1;

  /**
   * @param sizeBytes The memory for records, in bytes, committed as it is used;
   * an eighth of it comes on top for the table. 0 for none.
   */
  constructor(sizeBytes: number) {
    const size = sizeBytes - sizeBytes % ALIGNMENT;
    this.#bytes = new Uint8Array(size);
    this.#buffer = Buffer.from(this.#bytes.buffer);
    this.#words = new Uint32Array(this.#bytes.buffer);
    let places = WAYS;
    while (places * 2 * BYTES_PER_PLACE <= size) places *= 2;
    this.#table = new Float64Array(places);
    // An empty place says 0, which is too long ago from the beginning.
    this.#written = size * 2;
  }

  /**
   * Finds a key's value if it is here and known to be the newest.
   *
   * @param key The key.
   * @param hash Its hash.
   * @param version Its version, loaded after all that the caller knows of.
   * @returns The value, valid until the next call; `undefined` where the index
   * must be asked.
   */
  findCurrent(
    key: Uint8Array,
    hash: number,
    version: number,
  ): Uint8Array | undefined {
    const keyAt = this.#currentKeyAt(key, hash, version);
    if (keyAt < 0) return undefined;
    return this.#bytes.subarray(keyAt + key.length, this.#endOf(keyAt));
  }

  /**
   * Like {@linkcode findCurrent}, but gives the value as text.
   *
   * @param key The key.
   * @param hash Its hash.
   * @param version Its version, loaded after all that the caller knows of.
   * @returns The value; `undefined` where the index must be asked.
   */
  findCurrentText(
    key: Uint8Array,
    hash: number,
    version: number,
  ): string | undefined {
    const keyAt = this.#currentKeyAt(key, hash, version);
    if (keyAt < 0) return undefined;
    return decodeTextAt(
      this.#buffer,
      keyAt + key.length,
      this.#endOf(keyAt),
    );
  }

  /**
   * Finds a record.
   *
   * @param pointer Where in the log it lies.
   * @param key The key that it must have.
   * @param hash The key's hash.
   * @param version Noted with it, unless it is `NO_VERSION`.
   * @param from The first byte of it that is wanted.
   * @returns The record from there on, valid until the next call, or
   * `undefined`.
   */
  find(
    { segment, offset, length }: LogPointer,
    key: Uint8Array,
    hash: number,
    version: number,
    from: number,
  ): Uint8Array | undefined {
    const place = this.#place(hash, segment, offset, length);
    if (this.#foundAt < 0) return undefined;
    const start = this.#foundAt + ENTRY_HEADER_BYTES;
    if (!hasKey(this.#bytes, start, key)) return undefined;
    if (version !== NO_VERSION) {
      this.#words[this.#foundAt / ALIGNMENT + VERSION] = version;
    }
    const size = this.#bytes.length;
    if (this.#written - this.#table[place] <= size / 2) {
      return this.#bytes.subarray(start + from, start + length);
    }
    const record = this.#bytes.subarray(start, start + length);
    return this.#put(place, segment, offset, version, record).subarray(from);
  }

  /**
   * Puts a record in, unless it is there or too large.
   *
   * @param segment Where in the log it lies: the file id.
   * @param offset Its place there, in bytes.
   * @param hash Its key's hash.
   * @param version Noted with it.
   * @param record The record.
   */
  keep(
    segment: number,
    offset: number,
    hash: number,
    version: number,
    record: Uint8Array,
  ): void {
    const place = this.#place(hash, segment, offset, record.length);
    if (this.#foundAt < 0) this.#put(place, segment, offset, version, record);
  }

  /**
   * Where in the ring a key is whose record is known to be the newest, or -1.
   */
  #currentKeyAt(key: Uint8Array, hash: number, version: number): number {
    if (!isStable(version)) return -1;
    const bytes = this.#bytes;
    const size = bytes.length;
    const bucket = this.#bucketOf(hash);
    for (let way = 0; way < WAYS; way++) {
      const entry = this.#table[bucket + (hash + way & WAYS - 1)];
      // Older ones are to be moved to the front.
      if (this.#written - entry > size / 2) continue;
      const at = this.#ringOffset(entry);
      if (this.#words[at / ALIGNMENT + VERSION] !== version) continue;
      const record = at + ENTRY_HEADER_BYTES;
      if (hasKey(bytes, record, key)) return record + RECORD_HEADER_BYTES;
    }
    return -1;
  }

  /** Where in the ring the record ends whose key is there. */
  #endOf(keyAt: number): number {
    const record = keyAt - RECORD_HEADER_BYTES;
    const word = (record - ENTRY_HEADER_BYTES) / ALIGNMENT;
    return record + this.#words[word + LENGTH];
  }

  /**
   * Looks for a record, and notes where in the ring it is.
   *
   * @returns Its place in the table, or the one to give it.
   */
  #place(
    hash: number,
    segment: number,
    offset: number,
    length: number,
  ): number {
    const size = this.#bytes.length;
    const bucket = this.#bucketOf(hash);
    let oldest = bucket + (hash & WAYS - 1);
    for (let way = 0; way < WAYS; way++) {
      // Not all begin at the same, so that most are found at the first.
      const place = bucket + (hash + way & WAYS - 1);
      const entry = this.#table[place];
      if (entry < this.#table[oldest]) oldest = place;
      if (this.#written - entry > size) continue;
      const at = this.#ringOffset(entry);
      const word = at / ALIGNMENT;
      if (
        this.#words[word + SEGMENT] === segment &&
        this.#words[word + OFFSET] === offset &&
        this.#words[word + LENGTH] === length
      ) {
        this.#foundAt = at;
        return place;
      }
    }
    this.#foundAt = -1;
    return oldest;
  }

  /** The first of the places for a hash; its lowest bits say where to begin. */
  #bucketOf(hash: number): number {
    return hash & (this.#table.length - 1) & -WAYS;
  }

  /** Where in the ring an entry is. */
  #ringOffset(entry: number): number {
    const size = this.#bytes.length;
    // What % means, without the call that it takes for such large numbers.
    return (entry - Math.floor(entry / size) * size) >>> 0;
  }

  /** Puts a record into the ring, unless it is too large, and returns it. */
  #put(
    place: number,
    segment: number,
    offset: number,
    version: number,
    record: Uint8Array,
  ): Uint8Array {
    const size = this.#bytes.length;
    const { length } = record;
    const entryBytes = ENTRY_HEADER_BYTES + length + ALIGNMENT - 1 & -ALIGNMENT;
    if (entryBytes > size / LARGEST_PART) return record;
    let at = this.#written % size;
    if (at + entryBytes > size) {
      // Entries do not go round the end.
      this.#written += size - at;
      at = 0;
    }
    const word = at / ALIGNMENT;
    this.#words[word + SEGMENT] = segment;
    this.#words[word + OFFSET] = offset;
    this.#words[word + LENGTH] = length;
    this.#words[word + VERSION] = version;
    const start = at + ENTRY_HEADER_BYTES;
    // What moves to the front may lie partly where it goes to; then it lies
    // after the header just written, and set() copes with the rest.
    this.#bytes.set(record, start);
    this.#table[place] = this.#written;
    this.#written += entryBytes;
    return this.#bytes.subarray(start, start + length);
  }
}
