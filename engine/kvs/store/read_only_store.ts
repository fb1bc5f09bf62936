/**
 * Reading a store of the kvs engine beside the process that has it open.
 *
 * @module
 */

import { findStore } from "../../directory.ts";
import type { ScanPage, ScanRange, StoreStats } from "../../engine.ts";
import { Log } from "../log/log.ts";
import { defaultIndexBytes, reportDamage } from "./defaults.ts";
import { FileShrankError } from "../log/file_window.ts";
import { HeldSegments } from "../log/held_segments.ts";
import { PointReader } from "./point_reader.ts";
import { loadLog } from "./recovery.ts";
import { scanIndex } from "./pages.ts";
import type { Keydir } from "../index/keydir.ts";
import { checkStoreOptions, type KvStoreOptions } from "./handle.ts";

/** Options of {@linkcode ReadOnlyStore.open}. */
export type ReadOnlyStoreOptions = Pick<
  KvStoreOptions,
  "indexBytes" | "cacheBytes" | "onDamage"
>;

/** Each try takes milliseconds, and a compaction removes a segment in more. */
const MAX_TRIES = 1_000;

/**
 * What a store held at the moment of opening it, for reading.
 *
 * It takes no lock and writes nothing, so it works beside a server that has the
 * directory open, and on a read-only file system. It holds all files of the log
 * open and has an index of its own: nothing that is written, removed or
 * compacted later changes what it shows, and the space of what is compacted
 * away comes back when it is closed. Of the writes that were not acknowledged
 * yet as it opened it may show the first ones.
 *
 * @example
 * ```ts
 * import { KvStore, ReadOnlyStore } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = Deno.makeTempDirSync();
 * await using store = KvStore.open(directory);
 * await store.set("k", "before");
 * using reader = ReadOnlyStore.open(directory);
 * await store.set("k", "after");
 * assertEquals(reader.get("k"), "before");
 * ```
 */
export class ReadOnlyStore implements Disposable {
  readonly #index: Keydir;
  readonly #reader: PointReader;
  readonly #log: Log;

  private constructor(
    log: Log,
    index: Keydir,
    reader: PointReader,
  ) {
    this.#log = log;
    this.#index = index;
    this.#reader = reader;
  }

  /**
   * Opens the store in a directory, be it open elsewhere or not.
   *
   * @param path The data directory.
   * @param options See {@linkcode ReadOnlyStoreOptions}.
   * @returns The store.
   * @throws {TypeError} If an option is of another type than it says.
   * @throws {RangeError} If a size is out of range.
   * @throws {Error} If the directory holds no store of engine kvs, can't be
   * read, or has more segments than the process may have files open.
   * @throws {IndexFullError} If the keys do not fit in the index.
   */
  static open(
    path: string,
    options: ReadOnlyStoreOptions = {},
  ): ReadOnlyStore {
    checkStoreOptions(options);
    const {
      indexBytes = defaultIndexBytes(),
      cacheBytes = 32 * 2 ** 20,
      onDamage = reportDamage,
    } = options;
    const { path: directory, engine } = findStore(path);
    if (engine !== "kvs") {
      throw cannotOpen(
        path,
        `engine ${engine} lets one process open its files at a time`,
      );
    }
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      try {
        const segments = HeldSegments.tryOpen(directory);
        if (segments === undefined) continue;
        try {
          const log = Log.create(directory);
          const { index, scans, knownDamage } = loadLog(
            log,
            segments.list,
            indexBytes,
          );
          knownDamage.forEach(onDamage);
          // What is unfinished at the end is being written, and no damage.
          for (const { damage } of scans.values()) damage.forEach(onDamage);
          return new ReadOnlyStore(
            log,
            index,
            new PointReader(directory, index, cacheBytes, segments),
          );
        } catch (error) {
          segments.close();
          throw error;
        }
      } catch (error) {
        if (isTooManyFiles(error)) {
          throw cannotOpen(
            path,
            "it has more segments than this process may have files open; see 'ulimit -n'",
          );
        }
        // The end of a write that failed was cut off meanwhile.
        if (!(error instanceof FileShrankError)) throw error;
      }
    }
    throw cannotOpen(path, "its files change faster than they can be opened");
  }

  /** The number of keys. */
  get size(): number {
    return this.#index.size;
  }

  /**
   * Looks a key up.
   *
   * @param key The key, as UTF-8 text.
   * @returns The value, or `undefined` where the key is not there.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  get(key: string): string | undefined {
    return this.#reader.get(key);
  }

  /**
   * Looks a key up by its bytes.
   *
   * @param key The key.
   * @returns The value's bytes, or `undefined`.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  getBytes(key: Uint8Array): Uint8Array | undefined {
    return this.#reader.view(key)?.slice();
  }

  /**
   * Reads a page of entries in the order of their keys. All pages are of one
   * moment.
   *
   * @param range Which entries, and how many at most.
   * @returns The page. The next one begins after its last key: see
   * {@linkcode ScanRange.after}.
   * @throws {RangeError} If a bound on entries or bytes is less than 1.
   * @throws {CorruptionError} If a value on disk is not what was written.
   */
  scan(range: ScanRange): ScanPage {
    return scanIndex(this.#index, range, this.#reader.cache);
  }

  /**
   * Tells what the store was like.
   *
   * @returns What its owner could have told, but for the sync mode.
   */
  stats(): Omit<StoreStats, "sync"> {
    const index = this.#index;
    const { segments, sizeBytes, deadBytes } = this.#log.segments.totals();
    return {
      engine: "kvs",
      diskBytes: sizeBytes,
      keys: index.size,
      liveBytes: sizeBytes - deadBytes,
      deadBytes,
      segments,
      indexUsedBytes: index.usedBytes,
      indexLimitBytes: index.limitBytes,
    };
  }

  /** Closes the files; a second call does nothing. */
  close(): void {
    this.#reader.cache.close();
  }

  /** Closes the store at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function cannotOpen(path: string, reason: string): Error {
  return new Error(
    `Cannot open data directory "${path}" read-only: ${reason}`,
  );
}

function isTooManyFiles(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EMFILE";
}
