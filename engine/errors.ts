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
