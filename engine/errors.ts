/**
 * Errors that are told apart by their class.
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
  override name = "ClosedError";

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
  override name = "WritesRefusedError";

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
  override name = "LockedError";
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
 * Makes an error of whatever was thrown.
 *
 * @param thrown What was thrown.
 * @returns The same if it is an error.
 */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
