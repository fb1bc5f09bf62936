/**
 * The snapshots that connections have of the store.
 *
 * @module
 */

import type { EngineSnapshot } from "../engine/engine.ts";
import type { SnapshotScope } from "./snapshot_scope.ts";
import type { Gauges } from "../monitor/gauges.ts";

/**
 * The most snapshots at a time. With engine kvs each has an index as large as
 * the store's, which may take a quarter of the machine's memory by default.
 */
const MAX_SNAPSHOTS = 2;

/** Opens a snapshot of the store, unless the signal aborts. */
export type OpenSnapshot = (signal: AbortSignal) => Promise<EngineSnapshot>;

/**
 * The snapshots of the connections that a thread serves; those of all threads
 * are counted together.
 */
export class Snapshots {
  readonly #open: OpenSnapshot;
  readonly #gauges: Gauges;
  /** Who has a snapshot or is about to, until it is closed. */
  readonly #holders = new Map<
    ConnectionSnapshot,
    PromiseWithResolvers<void>
  >();
  #isClosed = false;

  /**
   * @param gauges Counts this thread's snapshots.
   * @param open Opens one.
   */
  constructor(gauges: Gauges, open: OpenSnapshot) {
    this.#gauges = gauges;
    this.#open = open;
  }

  /**
   * Opens a snapshot, if there may be one more.
   *
   * @param holder Whose it will be.
   * @param signal Gives up when it aborts.
   * @returns The snapshot.
   * @throws {Error} If there are too many, or it can't be opened.
   */
  async open(
    holder: ConnectionSnapshot,
    signal: AbortSignal,
  ): Promise<EngineSnapshot> {
    if (this.#isClosed) throw new Error("Server is stopping");
    const count = this.#gauges.addSnapshots(1);
    this.#holders.set(holder, Promise.withResolvers());
    try {
      if (count > MAX_SNAPSHOTS) {
        throw new Error(
          `Too many snapshots are open, the limit is ${MAX_SNAPSHOTS}`,
        );
      }
      return await this.#open(signal);
    } catch (error) {
      this.#forget(holder);
      throw error;
    }
  }

  /**
   * Closes a snapshot.
   *
   * @param holder Whose it was.
   * @param snapshot The snapshot.
   */
  async end(
    holder: ConnectionSnapshot,
    snapshot: EngineSnapshot,
  ): Promise<void> {
    try {
      await snapshot.close();
    } finally {
      this.#forget(holder);
    }
  }

  /** Closes all snapshots, and opens no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const closed = Array.from(this.#holders.values(), ({ promise }) => promise);
    for (const holder of this.#holders.keys()) holder.close();
    await Promise.all(closed);
  }

  #forget(holder: ConnectionSnapshot): void {
    this.#gauges.addSnapshots(-1);
    this.#holders.get(holder)?.resolve();
    this.#holders.delete(holder);
  }
}

/** The snapshot of one connection. */
export class ConnectionSnapshot implements SnapshotScope {
  readonly #snapshots: Snapshots;
  #current: EngineSnapshot | undefined;
  #opening: AbortController | undefined;
  #isClosed = false;

  /** @param snapshots Those of all connections of the thread. */
  constructor(snapshots: Snapshots) {
    this.#snapshots = snapshots;
  }

  /** @inheritdoc */
  get current(): EngineSnapshot | undefined {
    return this.#current;
  }

  /** @inheritdoc */
  async take(): Promise<void> {
    await this.release();
    if (this.#isClosed) throw closed();
    const opening = this.#opening = new AbortController();
    try {
      this.#current = await this.#snapshots.open(this, opening.signal);
    } finally {
      this.#opening = undefined;
    }
    // It was too late to abort.
    if (this.#isClosed) await this.release();
  }

  /** @inheritdoc */
  async release(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) await this.#snapshots.end(this, current);
  }

  /** Releases it for good, the one that is being taken too. */
  close(): void {
    this.#isClosed = true;
    this.#opening?.abort(closed());
    // Nobody is there who could be told.
    this.release().catch(() => {});
  }
}

function closed(): Error {
  return new Error("Connection is closed");
}
