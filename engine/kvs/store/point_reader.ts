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
import type { PackedKey } from "../index/packed_key.ts";
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
  readonly #key: PackedKey;
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
    this.#key = index.newKey();
    const hashOf = (key: Uint8Array) => index.hashOf(key);
    this.cache = new RecordCache(directory, cacheBytes, files, hashOf);
  }

  /** The value of a key, as text, or `undefined`. */
  get(key: string): string | undefined {
    const keyBytes = this.#keyBytes.encode(key);
    const { hash } = this.#key.pack(keyBytes);
    const version = this.#index.versions.of(hash);
    const current = this.cache.readCurrentText(keyBytes, hash, version);
    if (current !== undefined) return current;
    const value = this.#lookUp(keyBytes, version);
    return value && decodeText(value);
  }

  /** The value of a key, not to be changed, valid until the next call. */
  view(key: Uint8Array): Uint8Array | undefined {
    const { hash } = this.#key.pack(key);
    const version = this.#index.versions.of(hash);
    return this.cache.readCurrent(key, hash, version) ??
      this.#lookUp(key, version);
  }

  /** Looks the packed key up in the index; its version was loaded before. */
  #lookUp(key: Uint8Array, version: number): Uint8Array | undefined {
    const index = this.#index;
    const packed = this.#key;
    const pointer = this.#pointer;
    const valueAt = RECORD_HEADER_BYTES + key.length;
    for (let lookup = 0; lookup < MAX_LOOKUPS; lookup++) {
      if (!index.find(packed, pointer)) return undefined;
      try {
        return this.cache.read(pointer, key, packed.hash, version, valueAt);
      } catch (error) {
        // Compacted between the look-up and the opening: the index knows
        // where the record is now.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      version = index.versions.of(packed.hash);
    }
    throw new CorruptionError(
      segmentPath(this.#directory, pointer.segment),
      pointer.offset,
      "segment is missing",
    );
  }
}
