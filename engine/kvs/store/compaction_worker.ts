/**
 * The entry of the Worker that compacts.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../../engine.ts";
import { workerScope } from "../../worker_scope.ts";
import { compact, type CompactionScope } from "./compaction.ts";
import { Control } from "../log/log.ts";
import { Keydir } from "../index/keydir.ts";
import type { KvsHandle } from "./store.ts";

/** What the Worker is asked to do. */
export interface CompactionTask {
  readonly handle: KvsHandle;
  readonly scope: CompactionScope;
  /** The instance that leads the round, and gives it to this Worker. */
  readonly leader: number;
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
 * Compacts, as the leader of the round: the thread that changes the files is
 * the one that must live for the round to go on. It has given its place among
 * the readers of the index back when it returns, and may be terminated then.
 */
function run({ handle, scope, leader }: CompactionTask): CompactionReport {
  const { directory, segmentBytes } = handle;
  const control = Control.attach(handle.control, directory);
  try {
    if (!control.compactionLeadership.takeOver(leader)) {
      throw new Error("Compaction was given up before it had begun");
    }
    let report: CompactionReport | undefined;
    try {
      report = withIndex(handle, control, (index) =>
        compact(
          { directory, control, index, segmentBytes },
          scope,
          tellNowAndThen(),
        ));
      return report;
    } finally {
      if (report === undefined) control.pauseCompaction();
      control.compactionReport = report;
      control.compactsAll = false;
      control.compactionLeadership.end();
    }
  } finally {
    control.detach();
  }
}

function withIndex<T>(
  handle: KvsHandle,
  { holder }: Control,
  use: (index: Keydir) => T,
): T {
  const index = Keydir.attach(handle.index, holder.id);
  try {
    return use(index);
  } finally {
    index.detach();
  }
}

function tellNowAndThen(): CompactionProgress {
  let lastMs = -Infinity;
  return (doneBytes, totalBytes) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
    lastMs = nowMs;
    worker.postMessage({ doneBytes, totalBytes });
  };
}
