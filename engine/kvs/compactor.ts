/**
 * When compaction runs, and who gets its answer.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../engine.ts";
import { startWorker } from "../start_worker.ts";
import { candidates, type CompactionScope, unhinted } from "./compaction.ts";
import type { CompactionMessage, CompactionTask } from "./compaction_worker.ts";
import type { Control } from "./control.ts";
import type { KvsHandle } from "./store.ts";

/** Runs compactions in a Worker, one at a time for all instances. */
export class Compactor {
  readonly #handle: KvsHandle;
  readonly #control: Control;
  /** More than one where this thread has not heard of the end of some yet. */
  readonly #running = new Set<Promise<CompactionReport>>();

  /**
   * @param handle The store.
   * @param control Its shared state.
   */
  constructor(handle: KvsHandle, control: Control) {
    this.#handle = handle;
    this.#control = control;
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
    const control = this.#control;
    const rounds = control.compactionRounds;
    for (;;) {
      const round = rounds.current;
      if (rounds.tryLead()) return await this.#lead("all", onProgress);
      const isOfAll = control.compactsAll;
      await rounds.over(round);
      // One in the background had less to do than is asked for here.
      if (!isOfAll) continue;
      const report = control.compactionReport;
      if (report !== undefined) return report;
      // The next one has begun before this thread has heard of the end.
      if (rounds.underWay || rounds.current !== (round + 1 | 0)) continue;
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
    const control = this.#control;
    if (control.compactionPauses || control.compactionRounds.underWay) return;
    let reclaimable = 0;
    for (const segment of candidates(control, "worthwhile")) {
      reclaimable += segment.deadBytes;
    }
    const enough = reclaimable >= minBytes;
    if (!enough && unhinted(control).length === 0) return;
    if (!control.compactionRounds.tryLead()) return;
    return this.#lead(enough ? "worthwhile" : "hints");
  }

  /** Ends the compaction that this instance runs, if there is one. */
  async close(): Promise<void> {
    if (this.#running.size === 0) return;
    this.#control.stopsCompaction = true;
    await Promise.allSettled(this.#running);
  }

  /** Waits for the end of a compaction that another instance runs. */
  async over(): Promise<void> {
    const { compactionRounds } = this.#control;
    while (compactionRounds.underWay) {
      await compactionRounds.over(compactionRounds.current);
    }
  }

  async #lead(
    scope: CompactionScope,
    onProgress?: CompactionProgress,
  ): Promise<CompactionReport> {
    const control = this.#control;
    const rounds = control.compactionRounds;
    const round = rounds.current;
    control.stopsCompaction = false;
    control.compactsAll = scope === "all";
    // A Worker that dies leaves this.
    control.compactionReport = undefined;
    const running = this.#runWorker(scope, onProgress);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      control.pauseCompaction();
      throw error;
    } finally {
      this.#running.delete(running);
      // The Worker ends the round, unless it never came to lead it.
      if (rounds.current === round) rounds.end();
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
        const leader = this.#control.holder.id;
        worker.postMessage(
          { handle: this.#handle, scope, leader } satisfies CompactionTask,
        );
      });
    } finally {
      worker.terminate();
    }
  }
}
