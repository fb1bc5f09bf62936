/**
 * What a LevelDB database held at one moment.
 *
 * @module
 */

import type { EngineSnapshot, ScanPage, ScanRange } from "../engine.ts";
import { ClosedError } from "../errors.ts";
import type { LevelDatabase, LevelDatabaseSnapshot } from "./database.ts";
import { type Attachment, attachTo } from "./instances.ts";
import type { LevelHandle } from "./instances.ts";
import { scanDatabase } from "./scan.ts";

/** A snapshot of LevelDB's own: it only keeps old versions of what changes. */
export class LevelSnapshot implements EngineSnapshot {
  readonly #db: LevelDatabase;
  readonly #snapshot: LevelDatabaseSnapshot;
  readonly #attachment: Attachment;
  #closed: Promise<void> | undefined;
  /** Why it is closed, once it is. */
  #reason: Error | undefined;

  private constructor(db: LevelDatabase, attachment: Attachment) {
    this.#db = db;
    this.#snapshot = db.snapshot();
    this.#attachment = attachment;
    attachment.onRevoked = () => this.#close(new ClosedError("Store"));
  }

  /**
   * Takes a snapshot.
   *
   * @param handle The store.
   * @param signal Gives up when it aborts.
   * @returns The snapshot. It closes with the instance that opened the store,
   * if not before.
   * @throws {ClosedError} If the store was closed.
   * @throws {Error} If LevelDB cannot open its files.
   * @throws The reason of the signal, if it aborts.
   */
  static async open(
    handle: LevelHandle,
    signal?: AbortSignal,
  ): Promise<LevelSnapshot> {
    // An instance of its own: others may close before the snapshot does.
    const { db, attachment } = await attachTo(handle);
    const snapshot = new LevelSnapshot(db, attachment);
    if (signal?.aborted) {
      await snapshot.close();
      throw signal.reason;
    }
    return snapshot;
  }

  /** @inheritdoc */
  async scan(range: ScanRange): Promise<ScanPage> {
    if (this.#reason !== undefined) throw this.#reason;
    try {
      return await scanDatabase(this.#db, range, this.#snapshot);
    } catch (error) {
      // LevelDB's own error says only that an iterator was closed.
      throw this.#reason ?? error;
    }
  }

  /** @inheritdoc */
  close(): Promise<void> {
    return this.#close(new ClosedError("Snapshot"));
  }

  /** Closes it at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(reason: Error): Promise<void> {
    this.#reason ??= reason;
    // Closes the snapshot of LevelDB with it.
    return this.#closed ??= this.#attachment.leave(() => this.#db.close());
  }
}
