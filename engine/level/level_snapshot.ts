/**
 * What a LevelDB database held at one moment.
 *
 * @module
 */

import type { EngineSnapshot, ScanPage, ScanRange } from "../engine.ts";
import {
  type LevelDatabase,
  type LevelDatabaseSnapshot,
  openDatabase,
} from "./database.ts";
import type { LevelHandle } from "./level_engine.ts";
import { scanDatabase } from "./scan.ts";

/** A snapshot of LevelDB's own: it only keeps old versions of what changes. */
export class LevelSnapshot implements EngineSnapshot {
  readonly #db: LevelDatabase;
  readonly #snapshot: LevelDatabaseSnapshot;

  private constructor(db: LevelDatabase) {
    this.#db = db;
    this.#snapshot = db.snapshot();
  }

  /**
   * Takes a snapshot.
   *
   * @param handle The store.
   * @param signal Gives up when it aborts.
   * @returns The snapshot; it must be closed before the instance that opened
   * the store.
   * @throws {Error} If LevelDB cannot open its files.
   * @throws The reason of the signal, if it aborts.
   */
  static async open(
    { location }: LevelHandle,
    signal?: AbortSignal,
  ): Promise<LevelSnapshot> {
    // An instance of its own: others may close before the snapshot does.
    const db = await openDatabase(location);
    if (signal?.aborted) {
      await db.close();
      throw signal.reason;
    }
    return new LevelSnapshot(db);
  }

  /** @inheritdoc */
  scan(range: ScanRange): Promise<ScanPage> {
    return scanDatabase(this.#db, range, this.#snapshot);
  }

  /** @inheritdoc */
  close(): Promise<void> {
    // The snapshot with it.
    return this.#db.close();
  }

  /** Closes it at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
