/**
 * The level engine: LevelDB, a log-structured merge tree, behind the same
 * interface as the kvs engine.
 *
 * @module
 */

import type { DataDirectory } from "../directory.ts";
import type {
  CompactionProgress,
  CompactionReport,
  EngineHandle,
  KvsEngine,
  OnFailure,
  ScanPage,
  ScanRange,
  StoreStats,
  SyncMode,
  Write,
  WriteOutcome,
} from "../engine.ts";
import { compactAll, sizeOf } from "./compaction.ts";
import { type LevelDatabase, openDatabase } from "./database.ts";
import { KeyLocks } from "./key_locks.ts";
import { scanDatabase } from "./scan.ts";

/** Options of {@linkcode LevelEngine.openIn}. */
export interface LevelEngineOptions {
  /**
   * When an acknowledged write is on disk.
   *
   * @default {"always"}
   */
  readonly sync?: SyncMode;
  /**
   * Told of what failed behind requests.
   *
   * @default one line each on standard error
   */
  readonly onFailure?: OnFailure;
}

/** What a Worker needs to attach to an open {@linkcode LevelEngine}. */
export interface LevelHandle extends EngineHandle {
  readonly engine: "level";
  /** Where LevelDB's files are; threads share a database of the same path. */
  readonly location: string;
  readonly sync: SyncMode;
  /** The shared memory of {@linkcode KeyLocks}. */
  readonly locks: SharedArrayBuffer;
}

/**
 * LevelDB has a lock file of its own, which must not be the data directory's:
 * so its files are in a directory below.
 */
const SUBDIRECTORY = "level";

const SYNC_INTERVAL_MS = 1_000;

/**
 * The key whose removal makes LevelDB sync its log. No UTF-8 text begins with
 * this byte, so it can never be a user's key.
 */
const SYNC_KEY = new Uint8Array([0xff, ...new TextEncoder().encode("sync")]);

const TEXT = { keyEncoding: "utf8", valueEncoding: "utf8" } as const;

const encoder = new TextEncoder();
const keyNames = new TextDecoder("latin1");

/**
 * A store in LevelDB's files.
 *
 * Workers of the process share the database by {@linkcode share} and
 * {@linkcode attach}. The instance that opened it must be the last to close:
 * LevelDB uses its cache until then, and a read through another instance
 * after it was freed would crash the process. For the same reason a Worker
 * must not be terminated while it uses an instance.
 */
export class LevelEngine implements KvsEngine {
  readonly name = "level";
  readonly #db: LevelDatabase;
  readonly #handle: LevelHandle;
  readonly #locks: KeyLocks;
  /** Only of the instance that opened the database. */
  readonly #owned: DataDirectory | undefined;
  readonly #onFailure: OnFailure;
  #syncTimer: ReturnType<typeof setTimeout> | undefined;
  #isUnsynced = false;
  readonly #compactions = new Set<Promise<unknown>>();

  private constructor(
    db: LevelDatabase,
    handle: LevelHandle,
    locks: KeyLocks,
    onFailure: OnFailure = ({ message }) => console.error(message),
    owned?: DataDirectory,
  ) {
    this.#onFailure = onFailure;
    this.#db = db;
    this.#handle = handle;
    this.#locks = locks;
    this.#owned = owned;
  }

  /**
   * Opens the database in a data directory that is locked already; closing the
   * engine closes the directory.
   *
   * @param owned The data directory.
   * @param options See {@linkcode LevelEngineOptions}.
   * @returns The engine.
   * @throws {Error} If LevelDB cannot open its files.
   */
  static async openIn(
    owned: DataDirectory,
    { sync = "always", onFailure }: LevelEngineOptions = {},
  ): Promise<LevelEngine> {
    const location = `${owned.path}/${SUBDIRECTORY}`;
    // LevelDB would let everybody read its files.
    Deno.mkdirSync(location, { recursive: true, mode: 0o700 });
    const locks = new KeyLocks();
    const db = await openDatabase(location);
    return new LevelEngine(
      db,
      { engine: "level", location, sync, locks: locks.buffer },
      locks,
      onFailure,
      owned,
    );
  }

  /**
   * Attaches to a database that another thread of this process has open.
   *
   * @param handle What {@linkcode share} returned there.
   * @param onFailure Told of what failed behind requests.
   * @returns An instance of the same store; it must be closed before the one
   * that opened it.
   */
  static async attach(
    handle: LevelHandle,
    onFailure?: OnFailure,
  ): Promise<LevelEngine> {
    const db = await openDatabase(handle.location);
    return new LevelEngine(db, handle, new KeyLocks(handle.locks), onFailure);
  }

  /** @inheritdoc */
  share(): LevelHandle {
    return this.#handle;
  }

  /** @inheritdoc */
  get(key: string): string | undefined {
    return this.#db.getSync<string, string>(key, TEXT);
  }

  /** @inheritdoc */
  async set(key: string, value: string): Promise<void> {
    await this.#writeOne({
      key: encoder.encode(key),
      value: encoder.encode(value),
    });
  }

  /** @inheritdoc */
  remove(key: string): Promise<boolean> {
    return this.#writeOne({ key: encoder.encode(key), value: undefined });
  }

  /** @inheritdoc */
  getBytes(key: Uint8Array): Uint8Array | undefined {
    return this.#db.getSync(key);
  }

  /** @inheritdoc */
  viewBytes(key: Uint8Array): Uint8Array | undefined {
    return this.getBytes(key);
  }

  /** @inheritdoc */
  scan(range: ScanRange): Promise<ScanPage> {
    return scanDatabase(this.#db, range);
  }

  /** @inheritdoc */
  async write(batch: readonly Write[]): Promise<readonly WriteOutcome[]> {
    const removed: Uint8Array[] = [];
    for (const { key, value } of batch) {
      if (value === undefined) removed.push(key);
    }
    try {
      // Without the detour where there is nothing to look up: most batches.
      if (removed.length === 0) return await this.#set(batch);
      return await this.#locks.hold(removed, () => this.#setAndRemove(batch));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      return batch.map(() => failure);
    }
  }

  /** Does nothing: where the sync mode asks for it, writes are synced. */
  sync(): void {}

  /** @inheritdoc */
  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    const compaction = compactAll(this.#db, onProgress);
    this.#compactions.add(compaction);
    try {
      return await compaction;
    } finally {
      this.#compactions.delete(compaction);
    }
  }

  /** @inheritdoc */
  stats(): StoreStats {
    return {
      engine: this.name,
      sync: this.#handle.sync,
      diskBytes: sizeOf(this.#handle.location),
    };
  }

  /**
   * Closes this instance. It syncs what it wrote, whatever the sync mode, and
   * if it opened the store gives the directory free.
   */
  async close(): Promise<void> {
    clearTimeout(this.#syncTimer);
    // LevelDB cannot cut one short, and does not bear being closed under it.
    await Promise.allSettled(this.#compactions);
    try {
      if (this.#isUnsynced) await this.#syncLog();
    } finally {
      await this.#db.close();
      this.#owned?.close();
    }
  }

  /** Closes the store at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    await this.#db.batch(operations, { sync: sync === "always" });
    this.#isUnsynced = sync !== "always";
    if (sync === "everysec") {
      this.#syncTimer ??= setTimeout(() => {
        this.#syncTimer = undefined;
        this.#syncLog().catch((error) => this.#report(error));
      }, SYNC_INTERVAL_MS);
    }
  }

  /** Makes durable whatever has been written so far. */
  async #syncLog(): Promise<void> {
    this.#isUnsynced = false;
    await this.#db.del(SYNC_KEY, { sync: true });
  }

  #report(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#onFailure(new Error(`Cannot sync LevelDB's log: ${reason}`));
  }

  async #writeOne(write: Write): Promise<boolean> {
    const [outcome] = await this.write([write]);
    if (typeof outcome !== "boolean") throw outcome;
    return outcome;
  }
}

type Operation =
  | { type: "put"; key: Uint8Array; value: Uint8Array }
  | { type: "del"; key: Uint8Array };
