/**
 * When compaction runs, and who gets its answer.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../../engine.ts";
import { startWorker } from "../../start_worker.ts";
import { candidates, type CompactionScope, unhinted } from "./compaction.ts";
import type { CompactionMessage, CompactionTask } from "./compaction_worker.ts";
import type { CompactionState } from "./compaction_state.ts";
import type { KvsHandle } from "./handle.ts";
import type { Log } from "../log/log.ts";

/** Runs compactions in a Worker, one at a time for all instances. */
export class Compactor {
  readonly #handle: KvsHandle;
  readonly #log: Log;
  readonly #state: CompactionState;
  /** More than one where this thread has not heard of the end of some yet. */
  readonly #running = new Set<Promise<CompactionReport>>();

  /**
   * @param handle The store.
   * @param log Its log.
   * @param state What all instances know of its compactions.
   */
  constructor(handle: KvsHandle, log: Log, state: CompactionState) {
    this.#handle = handle;
    this.#log = log;
    this.#state = state;
  }

  /**
   * Compacts everything, or takes the answer of such a compaction that another
   * instance is running.
   *
   * @param onProgress Told how far it is, where this instance runs it.
   * @returns What was reclaimed.
   * @throws {Error} If it failed.
   */
  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    const state = this.#state;
    const { leadership } = state;
    for (;;) {
      const term = leadership.term;
      if (leadership.tryLead()) return await this.#lead("all", onProgress);
      const { isOfAll } = state;
      await leadership.ended(term);
      // One in the background had less to do than is asked for here.
      if (!isOfAll) continue;
      const { report } = state;
      if (report !== undefined) return report;
      // The next one has begun before this thread has heard of the end.
      if (leadership.hasLeader || leadership.term !== (term + 1 | 0)) {
        continue;
      }
      throw new Error("Compaction failed; see the log of the process");
    }
  }

  /**
   * Compacts in the background if enough of the log is dead, or if sealed
   * segments want their hint files. After a failure, such as a full disk, it
   * does nothing for a minute.
   *
   * @param minBytes The least that must be reclaimable, in bytes.
   * @returns The compaction's end, or `undefined` where there is none.
   */
  compactIfWorthwhile(minBytes: number): Promise<CompactionReport> | undefined {
    const { isPaused, leadership } = this.#state;
    if (isPaused || leadership.hasLeader) return;
    const segments = this.#log.list();
    let reclaimable = 0;
    for (const segment of candidates(segments, "worthwhile")) {
      reclaimable += segment.deadBytes;
    }
    const enough = reclaimable >= minBytes;
    if (!enough && unhinted(segments).length === 0) return;
    if (!leadership.tryLead()) return;
    return this.#lead(enough ? "worthwhile" : "hints");
  }

  /** Ends the compaction that this instance runs, if there is one. */
  async close(): Promise<void> {
    if (this.#running.size === 0) return;
    this.#state.stops = true;
    await Promise.allSettled(this.#running);
  }

  /** Waits for the end of a compaction that another instance runs. */
  async over(): Promise<void> {
    const { leadership } = this.#state;
    while (leadership.hasLeader) await leadership.ended(leadership.term);
  }

  async #lead(
    scope: CompactionScope,
    onProgress?: CompactionProgress,
  ): Promise<CompactionReport> {
    const state = this.#state;
    const { leadership } = state;
    const term = leadership.term;
    state.stops = false;
    state.isOfAll = scope === "all";
    // A Worker that dies leaves this.
    state.report = undefined;
    const running = this.#runWorker(scope, onProgress);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      state.pause();
      throw error;
    } finally {
      this.#running.delete(running);
      // The Worker ends the term, unless it never came to lead it.
      if (leadership.term === term) leadership.resign();
    }
  }

  async #runWorker(
    scope: CompactionScope,
    onProgress?: CompactionProgress,
  ): Promise<CompactionReport> {
    const worker = startWorker(
      new URL("./compaction_worker.ts", import.meta.url),
      { name: "kvs-compaction", readable: this.#handle.directory },
    );
    try {
      return await new Promise((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<CompactionMessage>) => {
          if ("report" in data) resolve(data.report);
          else if ("error" in data) reject(data.error);
          else onProgress?.(data.doneBytes, data.totalBytes);
        };
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`Compaction failed: ${event.message}`));
        };
        const leader = this.#log.holder.id;
        worker.postMessage(
          { handle: this.#handle, scope, leader } satisfies CompactionTask,
        );
      });
    } finally {
      worker.terminate();
    }
  }
}
