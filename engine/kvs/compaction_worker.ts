/**
 * The entry of the Worker that compacts.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { CompactionReport } from "../engine.ts";
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

self.onmessage = ({ data }: MessageEvent<CompactionTask>) => {
  const post = (message: CompactionMessage) => self.postMessage(message);
  const { directory, control, index, segmentBytes } = data.handle;
  const map = SkipMap.attach(index);
  let lastMs = 0;
  let result: CompactionMessage;
  try {
    const report = compact(
      { directory, control: Control.attach(control), index: map, segmentBytes },
      data.scope,
      (doneBytes, totalBytes) => {
        const nowMs = performance.now();
        if (nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
        lastMs = nowMs;
        post({ doneBytes, totalBytes });
      },
    );
    result = { report };
  } catch (error) {
    result = {
      error: error instanceof Error ? error : new Error(String(error)),
    };
  }
  // Whoever hears of the end may end this Worker at any moment: its place
  // among the readers would be taken for ever.
  map.detach();
  post(result);
  self.close();
};
