/// <reference lib="deno.worker" />

import { Control } from "../../../engine/kvs/control.ts";
import { SkipMap } from "../../../engine/kvs/skip_map.ts";
import { type KvsHandle, KvStore } from "../../../engine/kvs/store.ts";

/** What the Worker is to hold when it is terminated. */
export interface MortalTask {
  readonly handle: KvsHandle;
  readonly hold: "write lock" | "sync" | "compaction" | "place" | "reading";
}

/** Lets the sync fail that the Worker leads. */
export interface FailingSync {
  readonly fails: string;
}

let control: Control;

self.onmessage = ({ data }: MessageEvent<MortalTask | FailingSync>) => {
  if ("fails" in data) {
    control.syncFailed(data.fails, new Error("Input/output error"));
    control.syncRounds.end();
    self.postMessage("failed");
    return;
  }
  const { handle, hold } = data;
  control = Control.attach(handle.control, handle.directory);
  if (hold === "write lock") control.writeLock.lock();
  if (hold === "sync") control.syncRounds.tryLead();
  if (hold === "compaction") control.compactionRounds.tryLead();
  if (hold === "place") KvStore.attach(handle);
  if (hold === "reading") {
    SkipMap.attach(handle.index, control.holder.id).arena.pin();
  }
  self.postMessage("held");
};
