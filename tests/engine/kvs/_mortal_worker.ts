/// <reference lib="deno.worker" />

import { Control } from "../../../engine/kvs/control.ts";
import { type KvsHandle, KvStore } from "../../../engine/kvs/store.ts";

/** What the Worker is to hold when it is terminated. */
export interface MortalTask {
  readonly handle: KvsHandle;
  readonly hold: "write lock" | "sync" | "compaction" | "place";
}

self.onmessage = ({ data }: MessageEvent<MortalTask>) => {
  const { handle, hold } = data;
  const control = Control.attach(handle.control, handle.directory);
  if (hold === "write lock") control.writeLock.lock();
  if (hold === "sync") control.syncRounds.tryLead();
  if (hold === "compaction") control.compactionRounds.tryLead();
  if (hold === "place") KvStore.attach(handle);
  self.postMessage("held");
};
