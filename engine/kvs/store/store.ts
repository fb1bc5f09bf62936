/**
 * The kvs engine: a log-structured store after Bitcask (Sheehy and Smith,
 * 2010), with its index in shared memory.
 *
 * @module
 */

import { DataDirectory } from "../../directory.ts";
import type {
  CompactionProgress,
  CompactionReport,
  KvsEngine,
  MaybePromise,
  OnFailure,
  ScanPage,
  ScanRange,
  StoreStats,
  TextWrite,
  Write,
  WriteOutcome,
} from "../../engine.ts";
import { asError, ClosedError } from "../../errors.ts";
import { removeInstanceLocks } from "../../sync/instance_lock.ts";
import { report } from "../../report.ts";
import { Compactor } from "./compactor.ts";
import { defaultIndexBytes, reportDamage } from "./defaults.ts";
import { Log } from "../log/log.ts";
import { Writer } from "./writer.ts";
import { CompactionState } from "./compaction_state.ts";
import {
  checkStoreOptions,
  type KvsHandle,
  type KvStoreOptions,
} from "./handle.ts";
import { type StoreParts, Upkeep } from "./upkeep.ts";
import { PointReader } from "./point_reader.ts";
import { recover } from "./recovery.ts";
import { scanIndex } from "./pages.ts";
import { SegmentReaders } from "../log/segment_readers.ts";
import { Keydir } from "../index/keydir.ts";
import { hasCheckpoint, writeCheckpoint } from "./checkpoint.ts";

/**
 * A durable key-value store in a directory.
 *
 * {@linkcode share} and {@linkcode attach} clone it into Workers: all
 * instances see the same data at once. Reads take no lock; writes of all
 * instances are serialised by one.
 *
 * @example
 * ```ts
 * import { KvStore } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await store.set("k", "v");
 * assertEquals(store.get("k"), "v");
 * ```
 */
export class KvStore implements KvsEngine {
  readonly name = "kvs";
  readonly #handle: KvsHandle;
  readonly #log: Log;
  readonly #index: Keydir;
  readonly #writer: Writer;
  readonly #compaction: CompactionState;
  readonly #compactor: Compactor;
  /** Only of the instance that opened the store. */
  readonly #owned: DataDirectory | undefined;
  readonly #upkeep: Upkeep;
  #closed: Promise<void> | undefined;
  /** Bytes of the log that the checkpoint on disk covers. */
  #checkpointBytes = 0;
  readonly #reader: PointReader;

  private constructor(
    handle: KvsHandle,
    parts: StoreParts,
    owned?: DataDirectory,
  ) {
    const { log, index, compaction } = parts;
    this.#handle = handle;
    this.#log = log;
    this.#index = index;
    this.#compaction = compaction;
    this.#owned = owned;
    const { directory, cacheBytes } = handle;
    const files = new SegmentReaders(directory);
    this.#reader = new PointReader(directory, index, cacheBytes, files);
    this.#writer = new Writer(log, index);
    this.#compactor = new Compactor(handle, log, compaction);
    this.#upkeep = new Upkeep(handle, parts, this.#compactor);
  }

  /**
   * Opens the store in a directory, which is made if need be. One process at a
   * time has a directory open.
   *
   * @param directory The data directory.
   * @param options See {@linkcode KvStoreOptions}.
   * @returns The store.
   * @throws {TypeError} If an option is of another type than it says.
   * @throws {RangeError} If a size is out of range.
   * @throws {Error} If the directory is in use, belongs to another engine or
   * can't be read.
   */
  static open(directory: string, options: KvStoreOptions = {}): KvStore {
    checkStoreOptions(options);
    const owned = DataDirectory.open(directory, {
      engine: "kvs",
      create: true,
    });
    try {
      return KvStore.openIn(owned, options);
    } catch (error) {
      owned.close();
      throw error;
    }
  }

  /**
   * Opens the store in a directory that is locked already; closing the store
   * closes the directory.
   *
   * @param owned The data directory.
   * @param options See {@linkcode KvStoreOptions}.
   * @returns The store.
   * @throws {TypeError} If an option is of another type than it says.
   * @throws {RangeError} If a size is out of range.
   * @throws {Error} If its files can't be read.
   */
  static openIn(owned: DataDirectory, options: KvStoreOptions = {}): KvStore {
    checkStoreOptions(options);
    const {
      sync = "always",
      segmentBytes = 32 * 2 ** 20,
      indexBytes = defaultIndexBytes(),
      cacheBytes = 32 * 2 ** 20,
      compactAtBytes = 32 * 2 ** 20,
      onDamage = reportDamage,
      onFailure = reportFailure,
    } = options;
    const directory = owned.path;
    const log = Log.create(directory, { segmentBytes, isShared: true });
    try {
      const recovery = recover(log, indexBytes);
      recovery.damage.forEach(onDamage);
      const { index } = recovery;
      const compaction = CompactionState.create(log.holder);
      const handle: KvsHandle = {
        engine: "kvs",
        ...log.share(),
        sync,
        cacheBytes,
        compactAtBytes,
        compaction: compaction.memory,
        index: index.buffer,
      };
      const parts = { log, index, compaction, onFailure };
      const store = new KvStore(handle, parts, owned);
      store.#checkpointBytes = recovery.checkpointBytes;
      store.#upkeep.start();
      return store;
    } catch (error) {
      log.detach();
      throw error;
    }
  }

  /**
   * Attaches to a store that another thread of this process has open.
   *
   * @param handle What {@linkcode share} returned there.
   * @param onFailure Told of failures that no request hears of; by default it
   * is one line each on standard error.
   * @returns An instance of the same store; it must be closed before the one
   * that opened it.
   * @throws {ClosedError} If the store was closed.
   */
  static attach(
    handle: KvsHandle,
    onFailure: OnFailure = reportFailure,
  ): KvStore {
    const log = Log.attach(handle);
    try {
      const index = Keydir.attach(handle.index, log.holder.id);
      const { holder } = log;
      const compaction = CompactionState.attach(handle.compaction, holder);
      return new KvStore(handle, { log, index, compaction, onFailure });
    } catch (error) {
      log.detach();
      throw error;
    }
  }

  /** The number of keys. */
  get size(): number {
    this.#assertOpen();
    return this.#index.size;
  }

  /**
   * Makes a handle with which a Worker attaches to this same store.
   *
   * @returns The handle, for `postMessage` and {@linkcode attach}.
   */
  share(): KvsHandle {
    this.#assertOpen();
    return this.#handle;
  }

  /**
   * Looks a key up, without a lock.
   *
   * @param key The key, as UTF-8 text.
   * @returns The value, or `undefined` where the key is not there.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  get(key: string): string | undefined {
    this.#assertOpen();
    return this.#reader.get(key);
  }

  /**
   * Sets a key to a value, durable as the sync mode promises once it returns
   * or its promise resolves.
   *
   * @param key The key, as UTF-8 text.
   * @param value The value, as UTF-8 text.
   * @throws {IndexFullError} If the index has no room for the key.
   * @throws {Error} If the disk fails, or did so before.
   */
  set(key: string, value: string): MaybePromise<void> {
    return this.#writeOne({ key, value }, () => {});
  }

  /**
   * Removes a key, durable like {@linkcode set}.
   *
   * @param key The key, as UTF-8 text.
   * @returns Whether the key was there.
   * @throws {Error} If the disk fails, or did so before.
   */
  remove(key: string): MaybePromise<boolean> {
    return this.#writeOne(
      { key, value: undefined },
      (found) => found,
    );
  }

  /**
   * Looks a key up by its bytes, without a lock.
   *
   * @param key The key.
   * @returns The value's bytes, the caller's to keep, or `undefined`.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  getBytes(key: Uint8Array): Uint8Array | undefined {
    return this.viewBytes(key)?.slice();
  }

  /**
   * Looks a key up by its bytes, without a lock and without a copy.
   *
   * @param key The key.
   * @returns The value's bytes, not to be changed, valid until the next call
   * of this instance, or `undefined`.
   * @throws {CorruptionError} If the value on disk is not what was written.
   */
  viewBytes(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#reader.view(key);
  }

  /**
   * Reads a page of entries in the order of their keys, without a lock; see
   * {@linkcode KvsEngine.scan} for what it promises.
   *
   * @param range Which entries, and how many at most.
   * @returns The page.
   * @throws {RangeError} If a bound on entries or bytes is less than 1.
   * @throws {CorruptionError} If a value on disk is not what was written.
   */
  scan(range: ScanRange): ScanPage {
    this.#assertOpen();
    return scanIndex(
      this.#index,
      range,
      this.#reader.cache,
      (key) => this.getBytes(key),
    );
  }

  /**
   * Applies writes in order, in one append. They are visible then, but only as
   * durable as the last {@linkcode sync} made them.
   *
   * @param batch The writes, each in bytes or in text; their arrays are not
   * kept.
   * @returns For each write, in order, what became of it.
   */
  write(batch: readonly (Write | TextWrite)[]): WriteOutcome[] {
    this.#assertOpen();
    const outcomes = this.#writer.write(batch);
    try {
      this.#upkeep.catchUp();
    } catch (error) {
      return outcomes.map(() => asError(error));
    }
    return outcomes;
  }

  /**
   * Waits until everything written through this instance so far is as durable
   * as the sync mode promises.
   *
   * @throws {Error} If the disk fails; then all writes are refused.
   */
  sync(): MaybePromise<void> {
    this.#assertOpen();
    if (this.#handle.sync !== "always") return;
    const ticket = this.#writer.ticket;
    const { commit } = this.#log;
    if (commit.isSynced(ticket)) return;
    return commit.wait(ticket);
  }

  /**
   * Gives the space of overwritten and removed values back to the disk, in a
   * Worker of its own. If one is going on already it waits for that.
   *
   * @param onProgress Told now and then how far it is.
   * @returns What was reclaimed.
   * @throws {Error} If the disk fails or a segment is damaged.
   */
  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    this.#assertOpen();
    return await this.#compactor.compact(onProgress);
  }

  /**
   * Tells what the store is like, with the write lock held for a moment.
   *
   * @returns What it is like.
   */
  stats(): StoreStats {
    this.#assertOpen();
    const index = this.#index;
    const { segments, sizeBytes, deadBytes } = this.#log.totals();
    return {
      engine: this.name,
      sync: this.#handle.sync,
      diskBytes: sizeBytes,
      keys: index.size,
      liveBytes: sizeBytes - deadBytes,
      deadBytes,
      segments,
      indexUsedBytes: index.usedBytes,
      indexLimitBytes: index.limitBytes,
      writesRefused: this.#log.refusal.reason,
    };
  }

  /**
   * Closes this instance, once. The one that opened the store syncs the log,
   * whatever the sync mode, and gives the directory free: instances that are
   * still attached can do nothing more.
   *
   * @throws {Error} If the log could not be synced.
   */
  close(): Promise<void> {
    // What it gives back may be another instance's by the second time.
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#upkeep.stop();
    await this.#compactor.close();
    try {
      if (this.#owned) await this.#closeStore();
    } finally {
      this.#reader.cache.close();
      this.#index.detach();
      await this.#log.close();
      if (this.#owned) removeInstanceLocks(this.#handle.directory);
      this.#owned?.close();
    }
  }

  async #closeStore(): Promise<void> {
    const { commit, refusal } = this.#log;
    this.#compaction.stops = true;
    this.#log.shut();
    await this.#compactor.over();
    // After a failed sync another one would only say that all is well.
    if (refusal.hasFailedSync) return;
    const { ticket } = commit;
    if (!commit.isSynced(ticket)) await commit.wait(ticket);
    // What a compaction that failed has left.
    if (commit.unsyncedCopies().length > 0) commit.syncAll();
    if (!refusal.isSet) this.#checkpointIfWorthwhile();
  }

  /** Closes the store at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Writes a checkpoint, unless the next opening would gain little by it. */
  #checkpointIfWorthwhile(): void {
    const { directory } = this.#handle;
    const covered = hasCheckpoint(directory) ? this.#checkpointBytes : 0;
    const { sizeBytes: total } = this.#log.totals();
    const worthwhile = Math.max(2 ** 20, this.#index.usedBytes / 8);
    if (total - covered < worthwhile) return;
    try {
      writeCheckpoint(this.#log, this.#index);
    } catch (error) {
      // For instance on a full disk. The log has everything.
      const { message } = asError(error);
      this.#upkeep.report(
        new Error(
          `Cannot write the index checkpoint in "${directory}": ${message}`,
        ),
      );
    }
  }

  #writeOne<T>(
    write: TextWrite,
    answer: (found: boolean) => T,
  ): MaybePromise<T> {
    const [outcome] = this.write([write]);
    if (typeof outcome !== "boolean") throw outcome;
    const synced = this.sync();
    return synced instanceof Promise
      ? synced.then(() => answer(outcome))
      : answer(outcome);
  }

  #assertOpen(): void {
    if (this.#closed !== undefined || this.#log.isClosed) {
      throw new ClosedError("Store");
    }
  }
}

function reportFailure({ message }: Error): void {
  report(message);
}
