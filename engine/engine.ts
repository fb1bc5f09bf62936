/**
 * The interface that every storage engine implements, and the types that
 * travel through it.
 *
 * @module
 */

/** A value, or a promise of one where an engine has to wait for it. */
export type MaybePromise<T> = T | Promise<T>;

/** The engines this build knows; a data directory remembers its own. */
export type EngineName = "kvs" | "level";

/**
 * When an acknowledged write is on disk.
 *
 * - `always`: before it is acknowledged; it survives a power failure.
 * - `everysec`: within about a second; it survives `kill -9` at once.
 * - `no`: when the operating system pleases; it survives `kill -9` at once.
 */
export type SyncMode = "always" | "everysec" | "no";

/** One write of a batch: a new value for a key, or its removal. */
export interface Write {
  /** The key, any bytes. */
  readonly key: Uint8Array;
  /** The new value, any bytes; `undefined` removes the key. */
  readonly value: Uint8Array | undefined;
}

/** Like {@linkcode Write}, in text, which the store encodes as UTF-8. */
export interface TextWrite {
  /** The key. */
  readonly key: string;
  /** The new value; `undefined` removes the key. */
  readonly value: string | undefined;
}

/**
 * What became of one write of a batch: `true` for a set and for a removal that
 * found its key, `false` for a removal of a missing key, an error for a write
 * that failed and changed nothing.
 */
export type WriteOutcome = boolean | Error;

/**
 * Which entries to go through, and how. Keys are compared byte by byte, and
 * each bound that is given narrows the range.
 */
export interface ScanRange {
  /** Only keys that begin with these bytes. */
  readonly prefix?: Uint8Array;
  /** Only keys that are this one or greater. */
  readonly start?: Uint8Array;
  /** Only keys that are less than this one. */
  readonly end?: Uint8Array;
  /**
   * Only keys after this one in the direction of the scan: the last key of
   * the page before.
   */
  readonly after?: Uint8Array;
  /**
   * Whether to go from the greatest key to the least.
   *
   * @default {false}
   */
  readonly reverse?: boolean;
  /**
   * Whether to leave the values out.
   *
   * @default {false}
   */
  readonly keysOnly?: boolean;
  /**
   * The most entries, at least 1.
   *
   * @default {1_000} for a page, else no limit
   */
  readonly limit?: number;
  /**
   * The most bytes of keys and values on a page, which the first entry alone
   * may exceed; at least 1.
   *
   * @default {1_048_576}
   */
  readonly maxBytes?: number;
}

/**
 * A key and its value, as {@linkcode KvsEngine.scan} returns them. Arrays of a
 * page may share memory: copy one to post it to a Worker, or to keep it when
 * the others are dropped.
 */
export interface ScanEntry {
  /** The key, the caller's to keep. */
  readonly key: Uint8Array;
  /** The value, the caller's to keep; `undefined` where it is left out. */
  readonly value: Uint8Array | undefined;
}

/** A run of entries in the order of their keys. */
export interface ScanPage {
  /** The entries; where there is none, nothing follows either. */
  readonly entries: readonly ScanEntry[];
  /** Whether there may be more after the last one. */
  readonly more: boolean;
}

/**
 * What a store held at one moment, whatever is written, removed or compacted
 * later. It closes at the end of an `await using` block.
 */
export interface EngineSnapshot extends AsyncDisposable {
  /**
   * Reads a page of entries in the order of their keys. All pages are of one
   * moment.
   *
   * @param range Which entries, and how many at most.
   * @returns The page. The next one begins after its last key: see
   * {@linkcode ScanRange.after}.
   * @throws {RangeError} If a bound on entries or bytes is less than 1.
   * @throws {Error} If the snapshot is closed or has failed.
   */
  scan(range: ScanRange): Promise<ScanPage>;
  /** Gives back what it holds; what is being read fails. */
  close(): Promise<void>;
}

/** What a compaction did. */
export interface CompactionReport {
  /** Bytes the data took on disk before. */
  readonly bytesBefore: number;
  /** Bytes the data takes on disk now. */
  readonly bytesAfter: number;
}

/** What an engine tells of its store, as far as it knows. */
export interface StoreStats {
  /** Which engine it is. */
  readonly engine: EngineName;
  /** When an acknowledged write is on disk. */
  readonly sync: SyncMode;
  /** What the data takes on disk, in bytes. */
  readonly diskBytes: number;
  /** The number of keys. */
  readonly keys?: number;
  /** How much of the data on disk is not dead, in bytes. */
  readonly liveBytes?: number;
  /** How much of it was overwritten or removed, or only says so, in bytes. */
  readonly deadBytes?: number;
  /** The number of files that the log is in. */
  readonly segments?: number;
  /** How much memory the index uses, in bytes… */
  readonly indexUsedBytes?: number;
  /** …and how much it may. */
  readonly indexLimitBytes?: number;
  /** Why writes are refused, in a sentence; `undefined` while they are not. */
  readonly writesRefused?: string;
}

/** Told of failures that no request hears of. */
export type OnFailure = (error: Error) => void;

/** Told as a compaction goes on: bytes dealt with so far, and in all. */
export type CompactionProgress = (
  doneBytes: number,
  totalBytes: number,
) => void;

/**
 * What a Worker needs to attach to an engine that is already open; it survives
 * `postMessage`. Each engine defines its own fields beside `engine`.
 */
export interface EngineHandle {
  /** Which engine attaches to this handle. */
  readonly engine: EngineName;
}

/**
 * A key-value store.
 *
 * Methods return a plain value where the engine is synchronous, so that a
 * caller with a batch in hand pays for no promise it does not need; an engine
 * on another machine returns promises from the same methods.
 *
 * `get`, `set` and `remove` are the whole interface for a library user. The
 * others let a server run a batch of requests as one unit: {@linkcode write}
 * applies writes in order and makes them visible, {@linkcode sync} waits until
 * they are as durable as the sync mode promises.
 *
 * An engine closes at the end of an `await using` block.
 */
export interface KvsEngine extends AsyncDisposable {
  /** The engine's name, as the data directory keeps it. */
  readonly name: EngineName;
  /**
   * Looks a key up.
   *
   * @param key The key, as UTF-8 text.
   * @returns The value, or `undefined` where the key is not there.
   */
  get(key: string): MaybePromise<string | undefined>;
  /**
   * Sets a key to a value, durable as the sync mode promises once it returns
   * or its promise resolves.
   *
   * @param key The key, as UTF-8 text.
   * @param value The value, as UTF-8 text.
   */
  set(key: string, value: string): MaybePromise<void>;
  /**
   * Removes a key, durable like {@linkcode set}.
   *
   * @param key The key, as UTF-8 text.
   * @returns Whether the key was there.
   */
  remove(key: string): MaybePromise<boolean>;
  /**
   * Looks a key up by its bytes.
   *
   * @param key The key.
   * @returns The value's bytes, the caller's to keep, or `undefined`.
   */
  getBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined>;
  /**
   * Looks a key up by its bytes, for callers that are done with the value at once:
   * spares the copy, which costs as much as the rest of a look-up.
   *
   * @param key The key.
   * @returns The value's bytes, which must not be changed, or `undefined`.
   * Returned at once, they are valid until the next call of this instance;
   * where a promise brings them, they stay.
   */
  viewBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined>;
  /**
   * Reads a page of entries in the order of their keys.
   *
   * A page need not be of one moment, nor the pages of a scan. A key that is
   * there all the while is not missed, and none comes twice; one that comes or
   * goes meanwhile may be seen or not. A value is one that its key had while
   * the page was being read.
   *
   * @param range Which entries, and how many at most.
   * @returns The page. The next one begins after its last key: see
   * {@linkcode ScanRange.after}.
   * @throws {RangeError} If a bound on entries or bytes is less than 1.
   */
  scan(range: ScanRange): MaybePromise<ScanPage>;
  /**
   * Applies writes in order. Once done they are visible to every reader, but
   * only as durable as the last {@linkcode sync} made them. The engine does
   * not keep the arrays it is given.
   *
   * @param batch The writes.
   * @returns For each write, in order, what became of it.
   */
  write(batch: readonly Write[]): MaybePromise<readonly WriteOutcome[]>;
  /**
   * Waits until everything written through this instance so far is as durable
   * as the sync mode promises.
   */
  sync(): MaybePromise<void>;
  /**
   * Gives the space of overwritten and removed values back to the disk.
   *
   * @param onProgress Told now and then how far it is.
   * @returns What was reclaimed.
   */
  compact(onProgress?: CompactionProgress): Promise<CompactionReport>;
  /**
   * Tells what the store is like.
   *
   * @returns What the engine knows of it.
   */
  stats(): MaybePromise<StoreStats>;
  /**
   * Makes a handle with which a Worker attaches to this same store.
   *
   * @returns The handle, for `postMessage`.
   */
  share(): EngineHandle;
  /**
   * Closes this instance: syncs what it wrote and frees what it holds. The
   * instance that opened the store closes last, after every attached one.
   */
  close(): MaybePromise<void>;
}
