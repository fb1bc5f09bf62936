/**
 * Looking after an open store: syncs of `everysec`, compactions that start by
 * themselves, and failures that no request hears of.
 *
 * @module
 */

import type { OnFailure } from "../../engine.ts";
import { asError, ClosedError, WritesRefusedError } from "../../errors.ts";
import type { Keydir } from "../index/keydir.ts";
import type { Log } from "../log/log.ts";
import type { CompactionState } from "./compaction_state.ts";
import type { Compactor } from "./compactor.ts";
import type { KvsHandle } from "./handle.ts";

/** How often the instance that opened the store looks after it, in ms. */
const INTERVAL_MS = 1_000;

/** After how long an instance that writes does so instead, in ms. */
const OVERDUE_MS = 1_250;

/** What an instance of a store is made of. */
export interface StoreParts {
  readonly log: Log;
  readonly index: Keydir;
  readonly compaction: CompactionState;
  readonly onFailure: OnFailure;
}

/** The upkeep that one instance of a store does for all of them. */
export class Upkeep {
  readonly #handle: KvsHandle;
  readonly #parts: StoreParts;
  readonly #compactor: Pick<Compactor, "compactIfWorthwhile">;
  #timer: ReturnType<typeof setInterval> | undefined;
  #refusalReported = false;

  constructor(
    handle: KvsHandle,
    parts: StoreParts,
    compactor: Pick<Compactor, "compactIfWorthwhile">,
  ) {
    this.#handle = handle;
    this.#parts = parts;
    this.#compactor = compactor;
  }

  /** Begins, for the instance that opened the store. */
  start(): void {
    this.#parts.compaction.takeUpkeep(0);
    this.#timer = setInterval(() => this.#run(), INTERVAL_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** Ends; what is under way goes on. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Does what is overdue, after a write: the timer fires only if the event loop
   * of its thread turns, which it does not under a writer that never waits.
   *
   * @throws {Error} If a sync fails; then writes are refused.
   */
  catchUp(): void {
    const { compaction, log } = this.#parts;
    if (!compaction.takeUpkeep(OVERDUE_MS)) return;
    if (this.#handle.sync === "everysec") log.commit.syncNow();
    this.#compactIfWorthwhile();
  }

  /** Tells of a failure that no request hears of. */
  report(error: unknown): void {
    const { onFailure, log } = this.#parts;
    // That writes are refused is told once, and then to each that writes.
    if (error instanceof WritesRefusedError || log.refusal.isSet) {
      return this.#reportRefusal();
    }
    // A compaction that was under way as the store was closed.
    if (error instanceof ClosedError) return;
    onFailure(asError(error));
  }

  #run(): void {
    const { compaction, log, index } = this.#parts;
    const { commit, holder } = log;
    compaction.takeUpkeep(0);
    // What a dead reader stood on would never be used again.
    index.releaseDeadReaders((id) => holder.isAlive(id));
    this.#reportRefusal();
    const { ticket } = commit;
    if (this.#handle.sync === "everysec" && !commit.isSynced(ticket)) {
      commit.wait(ticket).catch((error) => this.report(error));
    }
    this.#compactIfWorthwhile();
  }

  #compactIfWorthwhile(): void {
    try {
      this.#compactor.compactIfWorthwhile(this.#handle.compactAtBytes)
        ?.catch((error) => this.report(error));
    } catch (error) {
      // The write lock may not be to be had. No request is to fail for that.
      this.report(error);
    }
  }

  #reportRefusal(): void {
    const { onFailure, log } = this.#parts;
    const { reason } = log.refusal;
    if (reason === undefined || this.#refusalReported) return;
    this.#refusalReported = true;
    onFailure(new WritesRefusedError(reason));
  }
}
