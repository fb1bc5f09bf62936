/**
 * The instances of one open database in all Workers.
 *
 * @module
 */

import type { EngineHandle, SyncMode } from "../engine.ts";
import { ClosedError } from "../errors.ts";
import { type LevelDatabase, openDatabase } from "./database.ts";
import { waitForChange } from "./wait_for_change.ts";

/** Whether the instance that opened the database is closing it. */
const CLOSING = 0;
/** Instances that are attached and have not begun to close. */
const ATTACHED = 1;
/** Instances that are closing. */
const LEAVING = 2;
const WORDS = 3;

/** After how long an instance that does not close is taken for dead, in ms. */
const DEAD_AFTER_MS = 5_000;

/** What a Worker needs to attach to an open {@linkcode LevelEngine}. */
export interface LevelHandle extends EngineHandle {
  readonly engine: "level";
  /** Where LevelDB's files are; threads share a database of the same path. */
  readonly location: string;
  readonly sync: SyncMode;
  /** The shared memory of the locks of keys. */
  readonly locks: SharedArrayBuffer;
  /** The shared memory of the log's state. */
  readonly log: SharedArrayBuffer;
  /** The shared memory of the order of writes. */
  readonly order: SharedArrayBuffer;
  /** The shared memory of {@linkcode Instances}. */
  readonly instances: SharedArrayBuffer;
}

/** An instance that is attached. */
export interface Attachment {
  /** Called when the instance has to close; it may be set late. */
  onRevoked: (() => void) | undefined;
  /**
   * Runs what closes the instance.
   *
   * @param close Gives back what the instance has of the database.
   */
  leave(close: () => Promise<void>): Promise<void>;
}

/**
 * Lets the instance that opened the database be the last to close it: LevelDB
 * uses the cache of the first until then, and a read through another one after
 * that would crash the process.
 */
export class Instances {
  readonly #words: Int32Array;

  /** @param buffer What {@linkcode Instances.buffer} is elsewhere. */
  constructor(
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(
      WORDS * Int32Array.BYTES_PER_ELEMENT,
    ),
  ) {
    this.#words = new Int32Array(buffer);
  }

  /**
   * Adds one.
   *
   * @returns The attachment; `undefined` if the database is being closed.
   */
  attach(): Attachment | undefined {
    const words = this.#words;
    Atomics.add(words, ATTACHED, 1);
    // After it was counted, so that one of the two sees the other.
    const revocation = Atomics.waitAsync(words, CLOSING, 0);
    if (!revocation.async) {
      this.#subtract(ATTACHED);
      return undefined;
    }
    const attachment: Attachment = {
      onRevoked: undefined,
      leave: async (close) => {
        // The wait below lasts until the database closes, and would keep the
        // instance in memory.
        attachment.onRevoked = undefined;
        // In this order, so that it is counted all the while.
        Atomics.add(words, LEAVING, 1);
        this.#subtract(ATTACHED);
        try {
          await close();
        } finally {
          this.#subtract(LEAVING);
        }
      },
    };
    revocation.value.then(() => attachment.onRevoked?.());
    return attachment;
  }

  /** Whether the database is being closed, or is closed. */
  get isClosing(): boolean {
    return Atomics.load(this.#words, CLOSING) !== 0;
  }

  /**
   * Has all that are attached close, and waits for it. One whose thread does
   * not respond for five seconds is taken for dead.
   */
  async revokeAll(): Promise<void> {
    const words = this.#words;
    Atomics.store(words, CLOSING, 1);
    Atomics.notify(words, CLOSING);
    for (let attached; (attached = Atomics.load(words, ATTACHED)) > 0;) {
      if (!await waitForChange(words, ATTACHED, attached, DEAD_AFTER_MS)) break;
    }
    for (let leaving; (leaving = Atomics.load(words, LEAVING)) > 0;) {
      await waitForChange(words, LEAVING, leaving, DEAD_AFTER_MS);
    }
  }

  #subtract(index: number): void {
    Atomics.sub(this.#words, index, 1);
    Atomics.notify(this.#words, index);
  }
}

/**
 * Joins a database that another instance has open.
 *
 * @param handle What leads there.
 * @returns The database. The caller sets {@linkcode Attachment.onRevoked} at
 * once.
 * @throws {ClosedError} If the other instance was closed.
 * @throws {Error} If LevelDB cannot open its files.
 */
export async function attachTo(
  { location, instances }: LevelHandle,
): Promise<{ readonly db: LevelDatabase; readonly attachment: Attachment }> {
  const all = new Instances(instances);
  const attachment = all.attach();
  if (attachment === undefined) throw new ClosedError("Store");
  let db: LevelDatabase;
  try {
    db = await openDatabase(location);
  } catch (error) {
    await attachment.leave(() => Promise.resolve());
    throw error;
  }
  if (all.isClosing) {
    await attachment.leave(() => db.close());
    throw new ClosedError("Store");
  }
  return { db, attachment };
}
