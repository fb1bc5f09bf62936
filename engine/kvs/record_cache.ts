/**
 * The memory in which an instance keeps what it has read of the log.
 *
 * @module
 */

import { readValues } from "./bulk_read.ts";
import { isStable, NO_VERSION } from "./key_versions.ts";
import type { LogPointer } from "./log_pointer.ts";
import {
  decodeRecordHeader,
  getUint32,
  isRecordSound,
  KEY_LENGTH_AT,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./record.ts";
import { readBytes, segmentPath, soundRecord } from "./segment.ts";
import type { SegmentSource } from "./segment_files.ts";
import type { Entry } from "./skip_map.ts";

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

/**
 * How much is read at a time while the ring fills, in bytes: a store that has
 * just been opened would otherwise go to the file for each of its records.
 */
const AHEAD_BYTES = 8 * 1024;

/** What is kept to read records into, in bytes. */
const MAX_SCRATCH_BYTES = 2 ** 20;

/** So many records at a time are worth keeping; more go past the cache. */
const FEW_RECORDS = 64;

/** Entries begin at multiples of this, so that words can be read there. */
const ALIGNMENT = 4;

/**
 * A cache of records, for point reads of a log in which neighbours have nothing
 * to do with each other.
 *
 * Records are kept in a ring, the newest behind the last; the oldest are
 * overwritten. One that is read again when half the ring has been written since
 * moves to the front, so what is in use stays (as a clock's second chance does,
 * Corbató 1968). A table, a few places for each hash of a key, says where in the
 * ring a record is.
 *
 * A record never changes and file ids are never used twice, so no entry ever
 * becomes wrong, and nobody has to be told of writes or compactions.
 *
 * {@linkcode readCurrent} is the shortcut past the index, for keys that have not
 * been written to since they were read: see {@linkcode KeyVersions}.
 */
export class RecordCache {
  readonly #directory: string;
  readonly #files: SegmentSource;
  readonly #hashOf: (key: Uint8Array) => number;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /**
   * For each hash where its entry begins, counted in all bytes ever written:
   * so that one that has been overwritten is told from one that has not.
   */
  readonly #table: Float64Array;
  /** All bytes ever written. */
  #written: number;
  /** Where in the ring {@linkcode #find} has found what it looked for, or -1. */
  #foundAt = -1;
  #scratch = new Uint8Array(AHEAD_BYTES);
  readonly #header = {} as RecordHeader;

  /**
   * @param directory The data directory.
   * @param sizeBytes The memory for records, in bytes, committed as it is used;
   * an eighth of it comes on top for the table. 0 for no cache.
   * @param files Where the segments come from, closed with the cache.
   * @param hashOf The hash of a key, 32 bits.
   */
  constructor(
    directory: string,
    sizeBytes: number,
    files: SegmentSource,
    hashOf: (key: Uint8Array) => number,
  ) {
    this.#directory = directory;
    this.#files = files;
    this.#hashOf = hashOf;
    const size = sizeBytes - sizeBytes % ALIGNMENT;
    this.#bytes = new Uint8Array(size);
    this.#words = new Uint32Array(this.#bytes.buffer);
    let places = WAYS;
    while (places * 2 * BYTES_PER_PLACE <= size) places *= 2;
    this.#table = new Float64Array(places);
    // An empty place says 0, which is too long ago from the beginning.
    this.#written = size * 2;
  }

  /**
   * Reads a key's value if it is in memory and known to be the newest: without
   * the index, whose memory need not even be waited for.
   *
   * @param key The key.
   * @param hash Its hash.
   * @param version Its version, loaded after all that the caller knows of.
   * @returns The value, valid until the next call; `undefined` where the index
   * must be asked.
   */
  readCurrent(
    key: Uint8Array,
    hash: number,
    version: number,
  ): Uint8Array | undefined {
    if (!isStable(version)) return undefined;
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
      const keyAt = record + RECORD_HEADER_BYTES;
      if (
        getUint32(bytes, record + KEY_LENGTH_AT) === key.length &&
        isEqualAt(bytes, keyAt, key)
      ) {
        const length = this.#words[at / ALIGNMENT + LENGTH];
        return bytes.subarray(keyAt + key.length, record + length);
      }
    }
    return undefined;
  }

  /**
   * Reads a record, from memory if it is there, else from the file.
   *
   * @param pointer Where the record lies.
   * @param hash Its key's hash.
   * @param version Its key's version, loaded before the index was asked for the
   * pointer, or `NO_VERSION`.
   * @param from The first byte of it that is wanted.
   * @returns The record from there on, sound, valid until the next call.
   * @throws {Deno.errors.NotFound} If the segment is gone, and with it the
   * right to trust the pointer.
   * @throws {CorruptionError} If the record is not what was written.
   */
  read(
    pointer: LogPointer,
    hash: number,
    version: number,
    from = 0,
  ): Uint8Array {
    const { segment, offset, length } = pointer;
    const place = this.#find(hash, segment, offset, length);
    if (this.#foundAt < 0) {
      const record = this.#load(segment, offset, length);
      return this.#keep(place, segment, offset, version, record).subarray(from);
    }
    if (version !== NO_VERSION) {
      this.#words[this.#foundAt / ALIGNMENT + VERSION] = version;
    }
    const start = this.#foundAt + ENTRY_HEADER_BYTES;
    const size = this.#bytes.length;
    if (this.#written - this.#table[place] <= size / 2) {
      return this.#bytes.subarray(start + from, start + length);
    }
    const record = this.#bytes.subarray(start, start + length);
    return this.#keep(place, segment, offset, version, record).subarray(from);
  }

  /**
   * Reads the values of index entries, in whatever order is fast. More than a
   * few would only push out what is in use, so these go past the cache.
   *
   * @param entries The entries.
   * @returns Their values, the caller's to keep; `undefined` where the segment
   * is gone.
   * @throws {CorruptionError} If a record is not what was written.
   */
  readValues(entries: readonly Entry[]): (Uint8Array | undefined)[] {
    if (entries.length > FEW_RECORDS) {
      return readValues(this.#directory, this.#files, entries);
    }
    return entries.map(({ key, pointer }) => {
      try {
        const valueAt = RECORD_HEADER_BYTES + key.length;
        return this.read(pointer, this.#hashOf(key), NO_VERSION, valueAt)
          .slice();
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    });
  }

  /** Closes the files that are open. */
  close(): void {
    this.#files.close();
  }

  /**
   * Looks for a record, and notes where in the ring it is.
   *
   * @returns Its place in the table, or the one to give it.
   */
  #find(hash: number, segment: number, offset: number, length: number): number {
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
  #keep(
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
    // behind the header just written, and set() copes with the rest.
    this.#bytes.set(record, start);
    this.#table[place] = this.#written;
    this.#written += entryBytes;
    return this.#bytes.subarray(start, start + length);
  }

  #load(segment: number, offset: number, length: number): Uint8Array {
    const file = this.#files.open(segment);
    const wanted = Math.max(length, this.#aheadBytes(segment, offset));
    let room = this.#scratch;
    if (wanted > room.length) {
      room = new Uint8Array(wanted);
      // A huge one must not take its size for ever.
      if (wanted <= MAX_SCRATCH_BYTES) this.#scratch = room;
    }
    const bytes = readBytes(file, offset, room.subarray(0, wanted));
    const record = bytes.subarray(0, length);
    soundRecord(record, length, segmentPath(this.#directory, segment), offset);
    this.#keepRecords(segment, offset + length, bytes.subarray(length));
    return record;
  }

  /** How much to read from a place on, for what is behind the record there. */
  #aheadBytes(segment: number, offset: number): number {
    // Once the ring is full, a neighbour would push out what has been read.
    if (this.#written > this.#bytes.length * 3 - AHEAD_BYTES) return 0;
    return Math.min(AHEAD_BYTES, this.#files.finalBytes(segment) - offset);
  }

  /** Keeps the whole and sound records at the beginning of some bytes. */
  #keepRecords(segment: number, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at + RECORD_HEADER_BYTES <= bytes.length;) {
      const length = decodeRecordHeader(bytes, at, this.#header);
      const record = bytes.subarray(at, at + length);
      if (record.length < length || !isRecordSound(record)) return;
      const key = record.subarray(
        RECORD_HEADER_BYTES,
        RECORD_HEADER_BYTES + this.#header.keyLength,
      );
      const place = this.#find(this.#hashOf(key), segment, offset + at, length);
      if (this.#foundAt < 0) {
        this.#keep(place, segment, offset + at, NO_VERSION, record);
      }
      at += length;
    }
  }
}

/** Whether some bytes begin with others at a place. */
function isEqualAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) {
    if (bytes[at + i] !== wanted[i]) return false;
  }
  return true;
}
