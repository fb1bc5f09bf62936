/**
 * When compaction runs, and who gets its answer.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../engine.ts";
import { candidates, type CompactionScope, unhinted } from "./compaction.ts";
import type { CompactionMessage, CompactionTask } from "./compaction_worker.ts";
import type { Control } from "./control.ts";
import type { KvsHandle } from "./store.ts";

/** How long one wait for another's compaction may last, in milliseconds. */
const ROUND_TIMEOUT_MS = 3_600_000;

/** After a failure nothing is compacted by itself for so long. */
const RETRY_AFTER_MS = 60_000;

/** Runs compactions in a Worker, one at a time for all instances. */
export class Compactor {
  readonly #handle: KvsHandle;
  readonly #control: Control;
  #running: Promise<CompactionReport> | undefined;
  #pausedUntilMs = 0;

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
      await rounds.over(round, ROUND_TIMEOUT_MS);
      // One in the background had less to do than is asked for here.
      if (!isOfAll) continue;
      const report = control.compactionReport;
      if (report !== undefined) return report;
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
    if (performance.now() < this.#pausedUntilMs) return;
    if (control.compactionRounds.underWay) return;
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
    if (this.#running === undefined) return;
    this.#control.stopsCompaction = true;
    await this.#running.catch(() => {});
  }

  async #lead(
    scope: CompactionScope,
    onProgress?: CompactionProgress,
  ): Promise<CompactionReport> {
    let report: CompactionReport | undefined;
    this.#control.stopsCompaction = false;
    this.#control.compactsAll = scope === "all";
    try {
      this.#running = this.#runWorker(scope, onProgress);
      report = await this.#running;
      return report;
    } catch (error) {
      this.#pausedUntilMs = performance.now() + RETRY_AFTER_MS;
      throw error;
    } finally {
      this.#running = undefined;
      this.#control.compactionReport = report;
      this.#control.compactsAll = false;
      this.#control.compactionRounds.end();
    }
  }

  async #runWorker(
    scope: CompactionScope,
    onProgress?: CompactionProgress,
  ): Promise<CompactionReport> {
    const worker = new Worker(
      new URL("./compaction_worker.ts", import.meta.url),
      { type: "module", name: "kvs-compaction" },
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
        worker.postMessage(
          { handle: this.#handle, scope } satisfies CompactionTask,
        );
      });
    } finally {
      worker.terminate();
    }
  }
}
