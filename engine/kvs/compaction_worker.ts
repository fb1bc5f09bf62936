/**
 * The entry of the Worker that compacts.
 *
 * @module
 */

import type { CompactionReport } from "../engine.ts";
import { workerScope } from "../worker_scope.ts";
import { compact, type CompactionScope } from "./compaction.ts";
import { Control } from "./control.ts";
import { SkipMap } from "./skip_map.ts";
import type { KvsHandle } from "./store.ts";

/** What the Worker is asked to do. */
export interface CompactionTask {
  readonly handle: KvsHandle;
  readonly scope: CompactionScope;
}

/** What the Worker tells: progress, and at last the report or the error. */
export type CompactionMessage =
  | { readonly doneBytes: number; readonly totalBytes: number }
  | { readonly report: CompactionReport }
  | { readonly error: Error };

/** Between two messages of progress, in milliseconds. */
const PROGRESS_INTERVAL_MS = 50;

const worker = workerScope<CompactionTask, CompactionMessage>();

worker.onmessage = ({ data }) => {
  let result: CompactionMessage;
  try {
    result = { report: run(data) };
  } catch (error) {
    result = {
      error: error instanceof Error ? error : new Error(String(error)),
    };
  }
  worker.postMessage(result);
  worker.close();
};

/**
 * Compacts. It has given its place among the readers of the index back when it
 * returns: whoever hears of the end may terminate this Worker at any moment.
 */
function run({ handle, scope }: CompactionTask): CompactionReport {
  const { directory, segmentBytes } = handle;
  const control = Control.attach(handle.control);
  const index = SkipMap.attach(handle.index);
  let lastMs = 0;
  try {
    return compact(
      { directory, control, index, segmentBytes },
      scope,
      (doneBytes, totalBytes) => {
        const nowMs = performance.now();
        if (nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
        lastMs = nowMs;
        worker.postMessage({ doneBytes, totalBytes });
      },
    );
  } finally {
    index.detach();
  }
}
