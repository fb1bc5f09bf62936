/**
 * Writing to LevelDB's log.
 *
 * @module
 */

import type { OnFailure } from "../engine.ts";
import { asError, WritesRefusedError } from "../errors.ts";
import type { LevelDatabase } from "./database.ts";
import type { LogState } from "./log_state.ts";
import type { WriteOrder } from "./write_order.ts";

/** A change of one key. */
export type Operation =
  | { type: "put"; key: Uint8Array; value: Uint8Array }
  | { type: "del"; key: Uint8Array };

/**
 * A key whose removal makes LevelDB sync its log. It is nobody's, since nobody
 * knows it.
 */
const SYNC_KEY = new Uint8Array([
  0xff,
  ...new TextEncoder().encode("sync"),
  ...crypto.getRandomValues(new Uint8Array(16)),
]);

/** How many batches of an instance LevelDB has at a time, to join itself. */
const MAX_WRITING = 8;

/** Batches are joined up to this size, in bytes of keys and values. */
const MAX_JOINED_BYTES = 1 << 20;

interface Batch {
  readonly operations: readonly Operation[];
  readonly sync: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Writes the batches of one instance, some at a time; those that come in the
 * meantime are joined. Once a batch of any instance has failed, all fail.
 */
export class BatchWriter {
  readonly #db: LevelDatabase;
  readonly #log: LogState;
  readonly #order: WriteOrder;
  readonly #onFailure: OnFailure;
  #waiting: Batch[] = [];
  #writing = 0;

  /**
   * @param db The database.
   * @param log What is known of LevelDB's log.
   * @param order Which writes have ended.
   * @param onFailure Told of the first write that fails.
   */
  constructor(
    db: LevelDatabase,
    log: LogState,
    order: WriteOrder,
    onFailure: OnFailure,
  ) {
    this.#db = db;
    this.#log = log;
    this.#order = order;
    this.#onFailure = onFailure;
  }

  /**
   * Writes a batch.
   *
   * @param operations What to change, in order.
   * @param sync Whether it must be on disk before the promise resolves.
   * @throws {WritesRefusedError} If another one failed before.
   * @throws {Error} If LevelDB fails; all others are refused from then on.
   */
  write(operations: readonly Operation[], sync: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ operations, sync, resolve, reject });
    if (this.#writing < MAX_WRITING) this.#writeWaiting();
    return promise;
  }

  /**
   * Makes durable what any instance has written so far, unless it is already.
   *
   * @throws {Error} If LevelDB fails; writes are refused from then on.
   */
  async sync(): Promise<void> {
    const log = this.#log;
    if (!log.isUnsynced) return;
    // Before it begins: what is written meanwhile may come too late for it.
    log.isUnsynced = false;
    try {
      await this.#append(
        "sync of LevelDB's log",
        () => this.#db.del(SYNC_KEY, { sync: true }),
      );
    } catch (error) {
      log.isUnsynced = true;
      throw new Error(
        `Cannot sync LevelDB's log: ${asError(error).message}`,
        { cause: error },
      );
    }
  }

  async #writeWaiting(): Promise<void> {
    this.#writing++;
    while (this.#waiting.length > 0) {
      const batches = this.#takeJoined();
      const refusal = this.#refusal();
      if (refusal === undefined) await this.#writeJoined(batches);
      else batches.forEach(({ reject }) => reject(refusal));
    }
    this.#writing--;
  }

  async #writeJoined(batches: readonly Batch[]): Promise<void> {
    const operations = batches.length === 1
      ? batches[0].operations
      : batches.flatMap(({ operations }) => operations);
    const sync = batches.some(({ sync }) => sync);
    let othersEnded: Promise<void> | undefined;
    try {
      ({ othersEnded } = await this.#append(
        "write to LevelDB",
        () => this.#db.batch(operations as Operation[], { sync }),
      ));
    } catch (error) {
      for (const { reject } of batches) reject(asError(error));
      return;
    }
    if (!sync) this.#log.isUnsynced = true;
    // The next batch need not wait for that.
    if (othersEnded === undefined) this.#acknowledge(batches);
    else othersEnded.then(() => this.#acknowledge(batches));
  }

  /**
   * Appends to the log, and refuses writes if that fails.
   *
   * @param what What it is, for the error.
   * @param append Appends.
   * @returns A promise where it must not be acknowledged yet; see
   * {@linkcode WriteOrder.end}.
   */
  async #append(
    what: string,
    append: () => Promise<void>,
  ): Promise<{ readonly othersEnded: Promise<void> | undefined }> {
    const number = this.#order.start();
    try {
      await append();
    } catch (error) {
      // Before its end is noted, or others could be acknowledged in between.
      this.#refuse(what, asError(error));
      this.#order.end(number);
      throw error;
    }
    // In an object, since an async function would wait for the promise.
    return { othersEnded: this.#order.end(number) };
  }

  #acknowledge(batches: readonly Batch[]): void {
    const refusal = this.#refusal();
    for (const { resolve, reject } of batches) {
      if (refusal === undefined) resolve();
      else reject(refusal);
    }
  }

  #refusal(): WritesRefusedError | undefined {
    const { refusal } = this.#log;
    return refusal === undefined ? undefined : new WritesRefusedError(refusal);
  }

  #refuse(what: string, { message }: Error): void {
    const reason = `${what} failed: ${message}`;
    if (!this.#log.refuse(reason)) return;
    const failure = new WritesRefusedError(reason);
    // Not now: what it throws must not become this write's.
    queueMicrotask(() => this.#onFailure(failure));
  }

  /** Takes what waits, as much as may be joined. */
  #takeJoined(): Batch[] {
    let bytes = 0;
    let count = 0;
    for (const { operations } of this.#waiting) {
      for (const operation of operations) {
        bytes += operation.key.length;
        if (operation.type === "put") bytes += operation.value.length;
      }
      if (count > 0 && bytes > MAX_JOINED_BYTES) break;
      count++;
    }
    const rest = this.#waiting.splice(count);
    const taken = this.#waiting;
    this.#waiting = rest;
    return taken;
  }
}
