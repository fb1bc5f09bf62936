/**
 * The level engine: LevelDB, a log-structured merge tree, with the same
 * interface as the kvs engine.
 *
 * @module
 */

import type { DataDirectory } from "../directory.ts";
import type {
  CompactionProgress,
  CompactionReport,
  KvsEngine,
  OnFailure,
  ScanPage,
  ScanRange,
  StoreStats,
  SyncMode,
  Write,
  WriteOutcome,
} from "../engine.ts";
import { asError, ClosedError } from "../errors.ts";
import { BatchWriter, type Operation } from "./batch_writer.ts";
import { checkSharedOptions } from "../options.ts";
import { report } from "../report.ts";
import { checkWellFormed, encodeText } from "../text.ts";
import { compactAll, sizeOf } from "./compaction.ts";
import { type LevelDatabase, openAnew } from "./database.ts";
import {
  type Attachment,
  attachTo,
  Instances,
  type LevelHandle,
} from "./instances.ts";
import { KeyLocks } from "./key_locks.ts";
import { LogState } from "./log_state.ts";
import { scanDatabase } from "./scan.ts";
import { WriteOrder } from "./write_order.ts";

/** Options of {@linkcode LevelEngine.openIn}. */
export interface LevelEngineOptions {
  /**
   * When an acknowledged write is on disk.
   *
   * @default {"always"}
   */
  readonly sync?: SyncMode;
  /**
   * Told of failures that no request hears of.
   *
   * @default one line each on standard error
   */
  readonly onFailure?: OnFailure;
}

/**
 * LevelDB has a lock file of its own, which must not be the data directory's:
 * so its files are in a directory below.
 */
const SUBDIRECTORY = "level";

const SYNC_INTERVAL_MS = 1_000;

const TEXT = { keyEncoding: "utf8", valueEncoding: "utf8" } as const;

const keyNames = new TextDecoder("latin1");

/**
 * A store in LevelDB's files.
 *
 * Workers of the process share the database by {@linkcode share} and
 * {@linkcode attach}. When the instance that opened it closes, all others do.
 * A Worker must not be terminated while it uses an instance, which native code
 * would not survive.
 *
 * Once a write has failed, all instances refuse writes until the store was
 * closed and opened again; see {@linkcode LogState}.
 */
export class LevelEngine implements KvsEngine {
  readonly name = "level";
  readonly #db: LevelDatabase;
  readonly #handle: LevelHandle;
  readonly #locks: KeyLocks;
  readonly #log: LogState;
  readonly #writer: BatchWriter;
  /** The data directory, or what an attached instance has instead. */
  readonly #hold: DataDirectory | Attachment;
  #syncTimer: ReturnType<typeof setTimeout> | undefined;
  /** What must end before the database is closed. */
  readonly #running = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor(
    db: LevelDatabase,
    handle: LevelHandle,
    hold: DataDirectory | Attachment,
    onFailure: OnFailure = ({ message }) => report(message),
  ) {
    this.#db = db;
    this.#handle = handle;
    this.#hold = hold;
    this.#locks = new KeyLocks(handle.locks);
    this.#log = new LogState(handle.log);
    this.#writer = new BatchWriter(
      db,
      this.#log,
      new WriteOrder(handle.order),
      onFailure,
    );
  }

  /**
   * Opens the database in a data directory that is locked already; closing the
   * engine closes the directory.
   *
   * @param owned The data directory.
   * @param options See {@linkcode LevelEngineOptions}.
   * @returns The engine.
   * @throws {TypeError} If an option is of another type than it says.
   * @throws {Error} If LevelDB cannot open its files.
   */
  static async openIn(
    owned: DataDirectory,
    options: LevelEngineOptions = {},
  ): Promise<LevelEngine> {
    checkSharedOptions(options);
    const { sync = "always", onFailure } = options;
    const location = `${owned.path}/${SUBDIRECTORY}`;
    // LevelDB would let everybody read its files.
    Deno.mkdirSync(location, { recursive: true, mode: 0o700 });
    const handle: LevelHandle = {
      engine: "level",
      location,
      sync,
      locks: new KeyLocks().buffer,
      log: new LogState().buffer,
      order: new WriteOrder().buffer,
      instances: new Instances().buffer,
    };
    const db = await openAnew(location);
    return new LevelEngine(db, handle, owned, onFailure);
  }

  /**
   * Attaches to a database that another thread of this process has open.
   *
   * @param handle What {@linkcode share} returned there.
   * @param onFailure Told of failures that no request hears of.
   * @returns An instance of the same store. It closes with the one that opened
   * the store, if not before.
   * @throws {ClosedError} If the store was closed.
   * @throws {Error} If LevelDB cannot open its files.
   */
  static async attach(
    handle: LevelHandle,
    onFailure?: OnFailure,
  ): Promise<LevelEngine> {
    const { db, attachment } = await attachTo(handle);
    const engine = new LevelEngine(db, handle, attachment, onFailure);
    attachment.onRevoked = () => engine.close();
    return engine;
  }

  /** @inheritdoc */
  share(): LevelHandle {
    this.#assertOpen();
    return this.#handle;
  }

  /** @inheritdoc */
  get(key: string): string | undefined {
    this.#assertOpen();
    checkWellFormed(key);
    return this.#db.getSync<string, string>(key, TEXT);
  }

  /** @inheritdoc */
  async set(key: string, value: string): Promise<void> {
    await this.#writeOne({
      key: encodeText(key),
      value: encodeText(value),
    });
  }

  /** @inheritdoc */
  remove(key: string): Promise<boolean> {
    return this.#writeOne({ key: encodeText(key), value: undefined });
  }

  /** @inheritdoc */
  getBytes(key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#db.getSync(key);
  }

  /** @inheritdoc */
  viewBytes(key: Uint8Array): Uint8Array | undefined {
    return this.getBytes(key);
  }

  /** @inheritdoc */
  scan(range: ScanRange): Promise<ScanPage> {
    return this.#run(() => scanDatabase(this.#db, range));
  }

  /** @inheritdoc */
  write(batch: readonly Write[]): Promise<readonly WriteOutcome[]> {
    return this.#run(async () => {
      const removed: Uint8Array[] = [];
      for (const { key, value } of batch) {
        if (value === undefined) removed.push(key);
      }
      try {
        // Without the detour where there is nothing to look up: most batches.
        if (removed.length === 0) return await this.#set(batch);
        return await this.#locks.hold(
          removed,
          () => this.#setAndRemove(batch),
        );
      } catch (error) {
        const failure = asError(error);
        return batch.map(() => failure);
      }
    });
  }

  /** Does nothing: where the sync mode asks for it, writes are synced. */
  sync(): void {
    this.#assertOpen();
  }

  /** @inheritdoc */
  compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    return this.#run(() => compactAll(this.#db, onProgress));
  }

  /** @inheritdoc */
  stats(): StoreStats {
    this.#assertOpen();
    return {
      engine: this.name,
      sync: this.#handle.sync,
      diskBytes: sizeOf(this.#handle.location),
      writesRefused: this.#log.refusal,
    };
  }

  /**
   * Closes this instance, once: syncs what was written, whatever the sync mode.
   * The one that opened the store closes all others first, and gives the
   * directory free.
   *
   * @throws {Error} If what was written cannot be synced.
   */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** Closes the store at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearTimeout(this.#syncTimer);
    const hold = this.#hold;
    if ("leave" in hold) return await hold.leave(() => this.#release());
    await new Instances(this.#handle.instances).revokeAll();
    try {
      await this.#release();
    } finally {
      hold.close();
    }
  }

  async #release(): Promise<void> {
    // LevelDB cannot cut a compaction short, and does not bear being closed
    // under it.
    await Promise.allSettled(this.#running);
    try {
      await this.#writer.sync();
    } finally {
      await this.#db.close();
    }
  }

  /** Runs what the database must stay open for. */
  async #run<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new ClosedError("Store");
  }

  async #set(batch: readonly Write[]): Promise<readonly WriteOutcome[]> {
    const operations: Operation[] = [];
    for (const { key, value } of batch) {
      if (value !== undefined) operations.push({ type: "put", key, value });
    }
    await this.#apply(operations);
    return batch.map(() => true);
  }

  /** Applies writes whose removed keys are locked. */
  async #setAndRemove(
    batch: readonly Write[],
  ): Promise<readonly WriteOutcome[]> {
    const operations: Operation[] = [];
    const outcomes: WriteOutcome[] = [];
    /** Whether keys are there, as far as earlier writes of the batch decide. */
    const isThere = new Map<string, boolean>();
    for (const { key, value } of batch) {
      const name = keyNames.decode(key);
      if (value !== undefined) {
        operations.push({ type: "put", key, value });
        outcomes.push(true);
      } else {
        const found = isThere.get(name) ?? this.#db.getSync(key) !== undefined;
        if (found) operations.push({ type: "del", key });
        outcomes.push(found);
      }
      isThere.set(name, value !== undefined);
    }
    if (operations.length > 0) await this.#apply(operations);
    return outcomes;
  }

  async #apply(operations: Operation[]): Promise<void> {
    const { sync } = this.#handle;
    await this.#writer.write(operations, sync === "always");
    // Not after closing has begun, which syncs by itself.
    if (sync !== "everysec" || this.#closed !== undefined) return;
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      // The next writer is told, and so is the owner's onFailure.
      this.#run(() => this.#writer.sync()).catch(() => {});
    }, SYNC_INTERVAL_MS);
  }

  async #writeOne(write: Write): Promise<boolean> {
    const [outcome] = await this.write([write]);
    if (typeof outcome !== "boolean") throw outcome;
    return outcome;
  }
}
