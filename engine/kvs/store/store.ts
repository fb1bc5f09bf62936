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
  EngineHandle,
  KvsEngine,
  MaybePromise,
  OnFailure,
  ScanPage,
  ScanRange,
  StoreStats,
  SyncMode,
  TextWrite,
  Write,
  WriteOutcome,
} from "../../engine.ts";
import { asError, ClosedError, WritesRefusedError } from "../../errors.ts";
import { removeInstanceLocks } from "../../sync/instance_lock.ts";
import { checkStoreOptions } from "../../options.ts";
import { report } from "../../report.ts";
import { Compactor } from "./compactor.ts";
import { Control } from "../log/log.ts";
import { defaultIndexBytes, reportDamage } from "./defaults.ts";
import { GroupCommit } from "../log/group_commit.ts";
import { LogWriter } from "../log/log_writer.ts";
import { PointReader } from "./point_reader.ts";
import { recover } from "./recovery.ts";
import { scanIndex } from "./pages.ts";
import type { Damage } from "../log/segment.ts";
import { syncAppends, syncLog } from "../log/appender.ts";
import { SegmentReaders } from "../log/segment_readers.ts";
import { Keydir } from "../index/keydir.ts";
import { hasCheckpoint, writeCheckpoint } from "../index/checkpoint.ts";

/** Options of {@linkcode KvStore.open}. */
export interface KvStoreOptions {
  /**
   * When an acknowledged write is on disk.
   *
   * @default {"always"}
   */
  readonly sync?: SyncMode;
  /**
   * Memory for the index, in bytes, 256 KiB to 16 GiB: about 50 for each key
   * and the key itself. Only what is used is taken from the system.
   *
   * @default a quarter of the machine's memory, or of what its cgroups leave of
   * it, at most 16 GiB
   */
  readonly indexBytes?: number;
  /**
   * The size at which a segment is sealed, in bytes, 4 KiB to 1 GiB.
   *
   * @default {33554432}
   */
  readonly segmentBytes?: number;
  /**
   * Memory for what was read of the log, in bytes, for each instance, at
   * most 4 GiB; 0 for none. It is taken as it is used.
   *
   * @default {33554432}
   */
  readonly cacheBytes?: number;
  /**
   * How many bytes must be reclaimable before a compaction starts by itself;
   * `Infinity` for never.
   *
   * @default {33554432}
   */
  readonly compactAtBytes?: number;
  /**
   * Told of everything in the files that is not what was written.
   *
   * @default one line each on standard error
   */
  readonly onDamage?: (damage: Damage) => void;
  /**
   * Told of what failed behind requests, such as a compaction by itself.
   *
   * @default one line each on standard error
   */
  readonly onFailure?: OnFailure;
}

/** What a Worker needs to attach to an open {@linkcode KvStore}. */
export interface KvsHandle extends EngineHandle {
  /** Which engine it belongs to. */
  readonly engine: "kvs";
  /** The data directory, as an absolute path. */
  readonly directory: string;
  /** See {@linkcode KvStoreOptions.sync}. */
  readonly sync: SyncMode;
  /** See {@linkcode KvStoreOptions.segmentBytes}. */
  readonly segmentBytes: number;
  /** See {@linkcode KvStoreOptions.cacheBytes}. */
  readonly cacheBytes: number;
  /** See {@linkcode KvStoreOptions.compactAtBytes}. */
  readonly compactAtBytes: number;
  /** The shared state of the log. */
  readonly control: SharedArrayBuffer;
  /** The index. */
  readonly index: SharedArrayBuffer;
}

/** How often the instance that opened the store looks after it, in ms. */
const UPKEEP_INTERVAL_MS = 1_000;

/** After how long an instance that writes does so instead, in ms. */
const UPKEEP_OVERDUE_MS = 1_250;

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
  readonly #control: Control;
  readonly #index: Keydir;
  readonly #writer: LogWriter;
  readonly #commit: GroupCommit;
  readonly #compactor: Compactor;
  /** Only of the instance that opened the store. */
  readonly #owned: DataDirectory | undefined;
  readonly #onFailure: OnFailure;
  #upkeep: ReturnType<typeof setInterval> | undefined;
  #refusalReported = false;
  #closed: Promise<void> | undefined;
  /** Bytes of the log that the checkpoint on disk covers. */
  #checkpointBytes = 0;
  readonly #reader: PointReader;

  private constructor(
    handle: KvsHandle,
    control: Control,
    index: Keydir,
    onFailure: OnFailure,
    owned?: DataDirectory,
  ) {
    this.#handle = handle;
    this.#control = control;
    this.#index = index;
    this.#onFailure = onFailure;
    this.#owned = owned;
    const { directory, segmentBytes, cacheBytes } = handle;
    const files = new SegmentReaders(directory);
    this.#reader = new PointReader(directory, index, cacheBytes, files);
    this.#writer = new LogWriter(directory, control, index, segmentBytes);
    this.#commit = new GroupCommit(directory, control);
    this.#compactor = new Compactor(handle, control);
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
    const control = Control.create(directory);
    try {
      const recovery = recover(directory, control, indexBytes, segmentBytes);
      recovery.damage.forEach(onDamage);
      const { index } = recovery;
      const handle: KvsHandle = {
        engine: "kvs",
        directory,
        sync,
        segmentBytes,
        cacheBytes,
        compactAtBytes,
        control: control.buffer,
        index: index.buffer,
      };
      const store = new KvStore(handle, control, index, onFailure, owned);
      store.#checkpointBytes = recovery.checkpointBytes;
      store.#keepUp();
      return store;
    } catch (error) {
      control.detach();
      throw error;
    }
  }

  /**
   * Attaches to a store that another thread of this process has open.
   *
   * @param handle What {@linkcode share} returned there.
   * @param onFailure Told of what failed behind requests; by default it is one
   * line each on standard error.
   * @returns An instance of the same store; it must be closed before the one
   * that opened it.
   * @throws {ClosedError} If the store was closed.
   */
  static attach(
    handle: KvsHandle,
    onFailure: OnFailure = reportFailure,
  ): KvStore {
    const control = Control.attach(handle.control, handle.directory);
    try {
      const index = Keydir.attach(handle.index, control.holder.id);
      return new KvStore(handle, control, index, onFailure);
    } catch (error) {
      control.detach();
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
    // The timer of the instance that opened the store fires only if its event
    // loop goes round, which it does not below a writer that never waits.
    if (this.#control.takeUpkeep(UPKEEP_OVERDUE_MS)) {
      try {
        if (this.#handle.sync === "everysec") this.#syncNow();
      } catch (error) {
        return outcomes.map(() => asError(error));
      }
      this.#compactIfWorthwhile();
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
    if (this.#control.isSynced(ticket)) return;
    return this.#commit.wait(ticket);
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
    const { segments, sizeBytes, deadBytes } = this.#control.locked(() =>
      this.#control.segments.totals()
    );
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
      writesRefused: this.#control.refusal,
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
    clearInterval(this.#upkeep);
    await this.#compactor.close();
    try {
      if (this.#owned) await this.#closeStore();
    } finally {
      this.#writer.close();
      this.#reader.cache.close();
      await this.#commit.close();
      this.#index.detach();
      this.#control.detach();
      if (this.#owned) removeInstanceLocks(this.#handle.directory);
      this.#owned?.close();
    }
  }

  async #closeStore(): Promise<void> {
    const control = this.#control;
    control.stopsCompaction = true;
    control.close();
    await this.#compactor.over();
    // After a failed sync another one would only say that all is well.
    if (control.hasFailedSync) return;
    const ticket = control.appendedTicket;
    if (!control.isSynced(ticket)) await this.#commit.wait(ticket);
    // What a compaction that failed has left.
    if (control.unsyncedCopies().length > 0) {
      syncLog(this.#handle.directory, control);
    }
    if (!control.refusesWrites) this.#checkpointIfWorthwhile();
  }

  /** Closes the store at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Writes a checkpoint, unless the next opening would gain little by it. */
  #checkpointIfWorthwhile(): void {
    const { directory } = this.#handle;
    const covered = hasCheckpoint(directory) ? this.#checkpointBytes : 0;
    const total = this.#control.segments.list()
      .reduce((sum, segment) => sum + segment.sizeBytes, 0);
    const worthwhile = Math.max(2 ** 20, this.#index.usedBytes / 8);
    if (total - covered < worthwhile) return;
    try {
      writeCheckpoint(directory, this.#control, this.#index);
    } catch (error) {
      // For instance on a full disk. The log has everything.
      this.#report(error);
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
    if (this.#closed !== undefined || this.#control.isClosed) {
      throw new ClosedError("Store");
    }
  }

  #report(error: unknown): void {
    // That writes are refused is told once, and then to each that writes.
    if (error instanceof WritesRefusedError || this.#control.refusesWrites) {
      return this.#reportRefusal();
    }
    // A compaction that was under way as the store was closed.
    if (error instanceof ClosedError) return;
    this.#onFailure(asError(error));
  }

  #reportRefusal(): void {
    const { refusal } = this.#control;
    if (refusal === undefined || this.#refusalReported) return;
    this.#refusalReported = true;
    this.#onFailure(new WritesRefusedError(refusal));
  }

  #syncNow(): void {
    const control = this.#control;
    const ticket = control.appendedTicket;
    if (control.hasFailedSync || control.isSynced(ticket)) return;
    syncAppends(this.#handle.directory, control);
    // With everysec nobody waits for it.
    control.synced(ticket);
  }

  #compactIfWorthwhile(): void {
    this.#compactor.compactIfWorthwhile(this.#handle.compactAtBytes)
      ?.catch((error) => this.#report(error));
  }

  /** Looks after the store, for all instances. */
  #keepUp(): void {
    const { sync } = this.#handle;
    const control = this.#control;
    control.takeUpkeep(0);
    const upkeep = setInterval(() => {
      control.takeUpkeep(0);
      // What a dead reader stood on would never be used again.
      this.#index.releaseDeadReaders((id) => control.holder.isAlive(id));
      this.#reportRefusal();
      const ticket = control.appendedTicket;
      if (sync === "everysec" && !control.isSynced(ticket)) {
        this.#commit.wait(ticket).catch((error) => this.#report(error));
      }
      this.#compactIfWorthwhile();
    }, UPKEEP_INTERVAL_MS);
    Deno.unrefTimer(upkeep);
    this.#upkeep = upkeep;
  }
}

function reportFailure({ message }: Error): void {
  report(message);
}
