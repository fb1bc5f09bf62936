/**
 * The memory in which an instance keeps what it has read of the log.
 *
 * @module
 */

import { readValues } from "./bulk_read.ts";
import { NO_VERSION } from "../index/versions.ts";
import type { LogPointer } from "../index/log_pointer.ts";
import { RECORD_HEADER_BYTES } from "../log/record.ts";
import { RecordRing } from "./record_ring.ts";
import { readBytes, recordOf, segmentPath } from "../log/segment.ts";
import type { SegmentSource } from "../log/segment_readers.ts";
import type { Entry } from "../index/entries.ts";

/** What is kept to read records into, in bytes: at first, and at most. */
const SCRATCH_BYTES = 8 * 1024;
const MAX_SCRATCH_BYTES = 2 ** 20;

/** So many records at a time are worth keeping; more go past the cache. */
const FEW_RECORDS = 64;

/**
 * A cache of records, for point reads of a log in which neighbours have nothing
 * to do with each other.
 *
 * A record never changes and file ids are never used twice, so none ever becomes
 * wrong, and nobody has to be told of writes or compactions.
 *
 * {@linkcode readCurrent} is the shortcut past the index, for keys that have not
 * been written to since they were read: see {@linkcode KeyVersions}.
 */
export class RecordCache {
  readonly #directory: string;
  readonly #files: SegmentSource;
  readonly #hashOf: (key: Uint8Array) => number;
  readonly #ring: RecordRing;
  #scratch = new Uint8Array(SCRATCH_BYTES);

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
    this.#ring = new RecordRing(sizeBytes);
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
    return this.#ring.findCurrent(key, hash, version);
  }

  /**
   * Like {@linkcode readCurrent}, but gives the value as text.
   *
   * @param key The key.
   * @param hash Its hash.
   * @param version Its version, loaded after all that the caller knows of.
   * @returns The value; `undefined` where the index must be asked.
   */
  readCurrentText(
    key: Uint8Array,
    hash: number,
    version: number,
  ): string | undefined {
    return this.#ring.findCurrentText(key, hash, version);
  }

  /**
   * Reads a record, from memory if it is there, else from the file.
   *
   * @param pointer Where the record lies.
   * @param key The key that it must have.
   * @param hash The key's hash.
   * @param version The key's version, loaded before the index was asked for the
   * pointer, or `NO_VERSION`.
   * @param from The first byte of it that is wanted.
   * @returns The record from there on, sound, valid until the next call.
   * @throws {Deno.errors.NotFound} If the segment is gone, and with it the
   * right to trust the pointer.
   * @throws {CorruptionError} If the record is not what was written, or is not
   * the one that the index means.
   */
  read(
    pointer: LogPointer,
    key: Uint8Array,
    hash: number,
    version: number,
    from = 0,
  ): Uint8Array {
    const found = this.#ring.find(pointer, key, hash, version, from);
    if (found !== undefined) return found;
    const { segment, offset } = pointer;
    const record = this.#load(pointer, key);
    this.#ring.keep(segment, offset, hash, version, record);
    return record.subarray(from);
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
        const hash = this.#hashOf(key);
        return this.read(pointer, key, hash, NO_VERSION, valueAt).slice();
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

  #load(pointer: LogPointer, key: Uint8Array): Uint8Array {
    const { segment, offset, length } = pointer;
    const file = this.#files.open(segment);
    let room = this.#scratch;
    if (length > room.length) {
      room = new Uint8Array(length);
      // A huge one must not take its size for ever.
      if (length <= MAX_SCRATCH_BYTES) this.#scratch = room;
    }
    const record = readBytes(file, offset, room.subarray(0, length));
    const path = segmentPath(this.#directory, segment);
    return recordOf(record, pointer, key, path);
  }
}
