/**
 * The snapshots that connections have of the store.
 *
 * @module
 */

import type {
  EngineSnapshot,
  KvsEngine,
  MaybePromise,
  ScanRange,
} from "../engine/engine.ts";
import type { Gauges } from "../monitor/gauges.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";

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
  /** The connections that have a snapshot or are opening one. */
  readonly #holders = new Map<
    ConnectionSnapshot,
    PromiseWithResolvers<void>
  >();
  #isClosed = false;

  constructor(gauges: Gauges, open: OpenSnapshot) {
    this.#gauges = gauges;
    this.#open = open;
  }

  /** @throws {Error} If there are too many, or it cannot be opened. */
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

/** The snapshot of one connection: none at first, and never more than one. */
export class ConnectionSnapshot {
  readonly #snapshots: Snapshots;
  #current: EngineSnapshot | undefined;
  #opening: AbortController | undefined;
  #isClosed = false;

  constructor(snapshots: Snapshots) {
    this.#snapshots = snapshots;
  }

  /** The snapshot that scans of the connection show, if there is one. */
  get current(): EngineSnapshot | undefined {
    return this.#current;
  }

  /**
   * Takes one, in place of the one before.
   *
   * @throws {Error} If that is not possible; then there is none.
   */
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

  /** Releases it, if there is one. */
  async release(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) await this.#snapshots.end(this, current);
  }

  /** Releases it for good, or gives up taking it. */
  close(): void {
    this.#isClosed = true;
    this.#opening?.abort(closed());
    // The client is gone, so the error cannot be answered.
    this.release().catch(() => {});
  }
}

function closed(): Error {
  return new Error("Connection is closed");
}

/** Takes or releases the snapshot of a connection, if there is a connection. */
export async function answerSnapshot(
  snapshot: ConnectionSnapshot | undefined,
  isRelease: boolean,
  answers: AnswerBuffer,
): Promise<void> {
  try {
    if (snapshot === undefined) {
      throw new Error("Cannot take a snapshot without a connection");
    }
    await (isRelease ? snapshot.release() : snapshot.take());
    answers.ok();
  } catch (error) {
    answers.err(messageOf(error));
  }
}

/** Answers a scan of the store or of a snapshot. */
export function answerScan(
  source: Pick<KvsEngine, "scan">,
  range: ScanRange,
  answers: AnswerBuffer,
): MaybePromise<void> {
  try {
    const page = source.scan(range);
    if (!(page instanceof Promise)) return answers.page(page);
    return page.then(
      (page) => answers.page(page),
      (error) => answers.err(messageOf(error)),
    );
  } catch (error) {
    answers.err(messageOf(error));
  }
}

/** What to answer where something was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
