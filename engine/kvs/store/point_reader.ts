/**
 * Reading the value of one key.
 *
 * @module
 */

import { emptyPointer } from "../index/log_pointer.ts";
import { RECORD_HEADER_BYTES } from "../log/record.ts";
import { RecordCache } from "./record_cache.ts";
import { CorruptionError } from "../../errors.ts";
import { segmentPath } from "../log/segment.ts";
import type { SegmentSource } from "../log/segment_readers.ts";
import type { Keydir } from "../index/keydir.ts";
import { decodeText, TextBytes } from "./text_bytes.ts";

/** Look-ups of one key that may be overtaken by compaction in a row. */
const MAX_LOOKUPS = 1_000;

/** Reads values without a lock: each instance of a store has its own. */
export class PointReader {
  /** What has been read. */
  readonly cache: RecordCache;
  readonly #directory: string;
  readonly #index: Keydir;
  readonly #pointer = emptyPointer();
  readonly #keyBytes = new TextBytes();

  /**
   * @param directory The data directory.
   * @param index The store's index.
   * @param cacheBytes The memory for what was read, in bytes.
   * @param files Where segments come from, closed with the cache.
   */
  constructor(
    directory: string,
    index: Keydir,
    cacheBytes: number,
    files: SegmentSource,
  ) {
    this.#directory = directory;
    this.#index = index;
    const hashOf = (key: Uint8Array) => index.hashOf(key);
    this.cache = new RecordCache(directory, cacheBytes, files, hashOf);
  }

  /**
   * Looks a key up.
   *
   * @param key The key, as UTF-8 text.
   * @returns The value, or `undefined` where the key is not there.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  get(key: string): string | undefined {
    const index = this.#index;
    const keyBytes = this.#keyBytes.encode(key);
    const hash = index.hashOf(keyBytes);
    const version = index.versions.of(hash);
    const current = this.cache.readCurrentText(keyBytes, hash, version);
    if (current !== undefined) return current;
    const value = this.#lookUp(keyBytes, hash, version);
    return value && decodeText(value);
  }

  /**
   * Looks a key up by its bytes, without a copy.
   *
   * @param key The key.
   * @returns The value's bytes, not to be changed, valid until the next call,
   * or `undefined`.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  view(key: Uint8Array): Uint8Array | undefined {
    const index = this.#index;
    const hash = index.hashOf(key);
    const version = index.versions.of(hash);
    return this.cache.readCurrent(key, hash, version) ??
      this.#lookUp(key, hash, version);
  }

  /** Looks a key up in the index; its version was loaded before. */
  #lookUp(
    key: Uint8Array,
    hash: number,
    version: number,
  ): Uint8Array | undefined {
    const index = this.#index;
    const pointer = this.#pointer;
    const valueAt = RECORD_HEADER_BYTES + key.length;
    for (let lookup = 0; lookup < MAX_LOOKUPS; lookup++) {
      if (!index.getHashed(key, hash, pointer)) return undefined;
      try {
        return this.cache.read(pointer, key, hash, version, valueAt);
      } catch (error) {
        // Compacted between the look-up and the opening: the index knows
        // where the record is now.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      version = index.versions.of(hash);
    }
    throw new CorruptionError(
      segmentPath(this.#directory, pointer.segment),
      pointer.offset,
      "segment is missing",
    );
  }
}
