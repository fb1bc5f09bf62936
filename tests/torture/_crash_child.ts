/**
 * A process that has a store open, writes to it from several Workers and
 * compacts it, until it is killed or told to close it.
 *
 * @module
 */

import type { SyncMode } from "../../engine/engine.ts";
import { Compactor } from "../../engine/kvs/store/compactor.ts";
import { CompactionState } from "../../engine/kvs/store/compaction_state.ts";
import { Log } from "../../engine/kvs/log/log.ts";
import { KvStore } from "../../engine/kvs/store/store.ts";
import { Random } from "../engine/kvs/_helpers.ts";
import type { CrashWorkerTask } from "./_crash_worker.ts";

/** What a process is to do; JSON, as its only argument. */
export interface CrashTask {
  readonly directory: string;
  readonly sync: SyncMode;
  readonly writers: number;
  readonly keys: number;
  readonly firstVersion: number;
  readonly seed: number;
  /** Where the writers keep their journals: this and their number. */
  readonly journals: string;
}

/** The options with which all open the store. */
export const STORE_OPTIONS = {
  segmentBytes: 16_384,
  indexBytes: 2 ** 22,
  compactAtBytes: 8_192,
  cacheBytes: 2 ** 16,
  onDamage: ({ reason, path }: { reason: string; path: string }) => {
    // All that a kill may leave is an unfinished write.
    if (!reason.includes("unfinished write")) {
      throw new Error(`Damage in ${path}: ${reason}`);
    }
  },
} as const;

async function main(task: CrashTask): Promise<void> {
  const { directory, sync, writers } = task;
  const store = KvStore.open(directory, { ...STORE_OPTIONS, sync });
  const flags = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from(
    { length: writers },
    () =>
      new Worker(new URL("./_crash_worker.ts", import.meta.url), {
        type: "module",
      }),
  );
  const heard = (what: string) =>
    Promise.all(
      workers.map((worker) =>
        new Promise<void>((resolve) => {
          worker.addEventListener("message", ({ data }) => {
            if (data === what) resolve();
          });
        })
      ),
    );
  const started = heard("started");
  const ended = heard("ended");
  workers.forEach((worker, writer) =>
    worker.postMessage(
      {
        handle: store.share(),
        writer,
        keys: task.keys,
        firstVersion: task.firstVersion,
        seed: task.seed + writer,
        journal: `${task.journals}${writer}`,
        flags,
      } satisfies CrashWorkerTask,
    )
  );
  await started;
  console.log("ready");
  const asked = Deno.stdin.read(new Uint8Array(1))
    .then(() => Atomics.store(flags, 0, 1));
  // The one that runs by itself takes some segments and leaves others, with all
  // that their tombstones and dead records have to do with each other.
  const handle = store.share();
  const log = Log.attach(handle);
  const compactor = new Compactor(
    handle,
    log,
    CompactionState.attach(handle.compaction, log.holder),
  );
  const random = new Random(task.seed);
  while (Atomics.load(flags, 0) === 0) {
    if (random.below(4) === 0) await store.compact();
    else await compactor.compactIfWorthwhile(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await asked;
  await ended;
  await compactor.close();
  await log.close();
  await store.close();
  console.log("closed");
  Deno.exit(0);
}

if (import.meta.main) await main(JSON.parse(Deno.args[0]));
