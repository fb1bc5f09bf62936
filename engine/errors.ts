/**
 * The errors of a store, told apart by their class, or by their `code` where
 * the class does not come along, as from a Worker.
 *
 * @module
 */

/**
 * Something was used after it had been closed.
 *
 * @example
 * ```ts
 * import { ClosedError, KvStore } from "@kvs/kvs";
 * import { assertThrows } from "@std/assert";
 *
 * const store = KvStore.open(Deno.makeTempDirSync());
 * await store.close();
 * assertThrows(() => store.get("k"), ClosedError, "Store is closed");
 * ```
 */
export class ClosedError extends Error {
  /** The class's name. */
  override readonly name = "ClosedError";
  /** Tells it apart. */
  readonly code = "CLOSED";

  /**
   * Makes the error.
   *
   * @param what What is closed, as the first word of a sentence.
   */
  constructor(what: string) {
    super(`${what} is closed`);
  }
}

/**
 * A failure earlier on made it unsafe to write. Reads go on; opening the store
 * again finds out what is there.
 */
export class WritesRefusedError extends Error {
  /** The class's name. */
  override readonly name = "WritesRefusedError";
  /** Tells it apart. */
  readonly code = "WRITES_REFUSED";

  /**
   * Makes the error.
   *
   * @param reason What failed.
   */
  constructor(reason: string) {
    super(`Writes are disabled until the store is opened again: ${reason}`);
  }
}

/**
 * A data directory is locked by another process, or open in this one.
 *
 * @example
 * ```ts
 * import { KvStore, LockedError } from "@kvs/kvs";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const directory = Deno.makeTempDirSync();
 * await using _store = KvStore.open(directory);
 * const error = assertThrows(() => KvStore.open(directory), LockedError);
 * assertEquals(error.pid, Deno.pid);
 * ```
 */
export class LockedError extends Error {
  /** The class's name. */
  override readonly name = "LockedError";
  /** Tells it apart. */
  readonly code = "LOCKED";
  /** The process that has it locked; `undefined` where it is not known. */
  readonly pid: number | undefined;
  /** Where that process serves it, as `host:port`; `undefined` if nowhere. */
  readonly addr: string | undefined;

  /**
   * Makes the error.
   *
   * @param path The data directory.
   * @param owner Who has it locked, as far as it is known.
   */
  constructor(
    path: string,
    { pid, addr }: { readonly pid?: number; readonly addr?: string } = {},
  ) {
    const owner = pid === undefined ? "another process" : `process ${pid}`;
    const where = addr === undefined ? "" : ` serving ${addr}`;
    super(`Cannot open data directory "${path}": locked by ${owner}${where}`);
    this.pid = pid;
    this.addr = addr;
  }
}

/**
 * There is no store in a directory.
 *
 * @example
 * ```ts
 * import { NotFoundError, openEngine } from "@kvs/kvs";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => openEngine("/not/there"), NotFoundError);
 * ```
 */
export class NotFoundError extends Error {
  /** The class's name. */
  override readonly name = "NotFoundError";
  /** Tells it apart. */
  readonly code = "NOT_FOUND";

  /**
   * Makes the error.
   *
   * @param path The directory.
   * @param reason What is missing.
   */
  constructor(path: string, reason: string) {
    super(`Cannot open data directory "${path}": ${reason}`);
  }
}

/** A data directory belongs to another engine than the one asked for. */
export class WrongEngineError extends Error {
  /** The class's name. */
  override readonly name = "WrongEngineError";
  /** Tells it apart. */
  readonly code = "WRONG_ENGINE";

  /**
   * Makes the error.
   *
   * @param path The directory.
   * @param found The engine that it belongs to.
   * @param wanted The engine that was asked for.
   */
  constructor(path: string, found: string, wanted: string) {
    super(
      `Data directory "${path}" belongs to engine ${found}; it cannot be opened with ${wanted}`,
    );
  }
}

/** A record can't be read as what was written. */
export class CorruptionError extends Error {
  /** The class's name. */
  override readonly name = "CorruptionError";
  /** Tells it apart. */
  readonly code = "CORRUPT";

  /**
   * Makes the error.
   *
   * @param path The file.
   * @param offset Where in the file the trouble begins, in bytes.
   * @param reason What is wrong.
   */
  constructor(path: string, offset: number, reason: string) {
    super(`Corrupt data in ${path} at offset ${offset}: ${reason}`);
  }
}

/** The index has no room for another key. */
export class IndexFullError extends Error {
  /** The class's name. */
  override readonly name = "IndexFullError";
  /** Tells it apart. */
  readonly code = "INDEX_FULL";

  /**
   * Makes the error.
   *
   * @param limitBytes The size of the index, in bytes.
   */
  constructor(limitBytes: number) {
    super(
      `Index is full at ${limitBytes} bytes; remove keys, or open the store with a larger index (--index-size)`,
    );
  }
}

/**
 * Makes an error of whatever was thrown.
 *
 * @param thrown What was thrown.
 * @returns The same if it is an error.
 */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
