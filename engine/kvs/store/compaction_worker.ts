/**
 * The entry of the Worker that compacts.
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../../engine.ts";
import { workerScope } from "../../worker_scope.ts";
import { compact, type CompactionScope } from "./compaction.ts";
import { CompactionState } from "./compaction_state.ts";
import { Log } from "../log/log.ts";
import { Keydir } from "../index/keydir.ts";
import type { KvsHandle } from "./handle.ts";

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

worker.onmessage = async ({ data }) => {
  let result: CompactionMessage;
  try {
    result = { report: await run(data) };
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
async function run(
  { handle, scope, leader }: CompactionTask,
): Promise<CompactionReport> {
  const log = Log.attach(handle);
  try {
    const state = CompactionState.attach(handle.compaction, log.holder);
    if (!state.leadership.takeOver(leader)) {
      throw new Error("Compaction was given up before it had begun");
    }
    let report: CompactionReport | undefined;
    try {
      report = withIndex(
        handle,
        log,
        (index) => compact({ log, index, state }, scope, tellNowAndThen()),
      );
      return report;
    } finally {
      if (report === undefined) state.pause();
      state.report = report;
      state.isOfAll = false;
      state.leadership.resign();
    }
  } finally {
    await log.close();
  }
}

function withIndex<T>(
  handle: KvsHandle,
  { holder }: Log,
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
