/// <reference lib="deno.worker" />

import { Log } from "../../../engine/kvs/log/log.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import type { KvsHandle } from "../../../engine/kvs/store/handle.ts";
import { CompactionState } from "../../../engine/kvs/store/compaction_state.ts";
import { KvStore } from "../../../engine/kvs/store/store.ts";

/** What the Worker is to hold when it is terminated. */
export interface MortalTask {
  readonly handle: KvsHandle;
  readonly hold: "write lock" | "sync" | "compaction" | "place" | "reading";
}

/** Lets the sync fail that the Worker leads. */
export interface FailingSync {
  readonly fails: string;
}

let log: Log;

self.onmessage = ({ data }: MessageEvent<MortalTask | FailingSync>) => {
  if ("fails" in data) {
    log.refusal.syncFailed(data.fails, new Error("Input/output error"));
    log.commit.leadership.resign();
    self.postMessage("failed");
    return;
  }
  const { handle, hold } = data;
  log = Log.attach(handle);
  if (hold === "write lock") log.lock.lock();
  if (hold === "sync") log.commit.leadership.tryLead();
  if (hold === "compaction") {
    CompactionState.attach(handle.compaction, log.holder).leadership.tryLead();
  }
  if (hold === "place") KvStore.attach(handle);
  if (hold === "reading") {
    Keydir.attach(handle.index, log.holder.id).arena.epochs.pin();
  }
  self.postMessage("held");
};
