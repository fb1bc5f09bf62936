/// <reference lib="deno.worker" />

import { Control } from "../../../engine/kvs/log/log.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { type KvsHandle, KvStore } from "../../../engine/kvs/store/store.ts";

/** What the Worker is to hold when it is terminated. */
export interface MortalTask {
  readonly handle: KvsHandle;
  readonly hold: "write lock" | "sync" | "compaction" | "place" | "reading";
}

self.onmessage = ({ data }: MessageEvent<MortalTask>) => {
  const { handle, hold } = data;
  const control = Control.attach(handle.control, handle.directory);
  if (hold === "write lock") control.writeLock.lock();
  if (hold === "sync") control.syncLeadership.tryLead();
  if (hold === "compaction") control.compactionLeadership.tryLead();
  if (hold === "place") KvStore.attach(handle);
  if (hold === "reading") {
    Keydir.attach(handle.index, control.holder.id).arena.pin();
  }
  self.postMessage("held");
};
