/**
 * Writes to a store until the process is killed, and keeps a journal of it.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { Write } from "../../engine/engine.ts";
import type { KvsHandle } from "../../engine/kvs/store/handle.ts";
import { KvStore } from "../../engine/kvs/store/store.ts";
import { bytes, Random } from "../engine/kvs/_helpers.ts";
import { keyOf, valueOf } from "../engine/kvs/_versions.ts";

/** What a writer of a process is to do. */
export interface CrashWorkerTask {
  readonly handle: KvsHandle;
  /** Which writer it is. */
  readonly writer: number;
  /** The number of its keys. */
  readonly keys: number;
  /** The first version it writes; those of the runs before are smaller. */
  readonly firstVersion: number;
  readonly seed: number;
  /** The file to which it appends what it does. */
  readonly journal: string;
  /** Its first word becomes 1 when the writers are to end. */
  readonly flags: Int32Array;
}

/**
 * Says in the journal what is about to be written, so that it is known if the
 * process dies; a removal has version 0.
 */
export function issuedLine(key: number, version: number): string {
  return `w ${key} ${version}\n`;
}

/** Says in the journal that everything before this line is acknowledged. */
export const ACKNOWLEDGED_LINE = "a\n";

async function writeUntilKilled(task: CrashWorkerTask): Promise<void> {
  const { handle, writer, keys, flags } = task;
  const random = new Random(task.seed);
  const store = KvStore.attach(handle);
  using journal = Deno.openSync(task.journal, { create: true, append: true });
  let version = task.firstVersion;
  while (Atomics.load(flags, 0) === 0) {
    const batch: Write[] = [];
    let issued = "";
    for (let i = random.below(8); i >= 0; i--) {
      // Few keys change often: segments that hold them are soon worth
      // compacting, with tombstones of others whose dead records stay.
      const n = random.below(random.below(3) === 0 ? keys : keys >>> 3);
      const key = keyOf(writer, n);
      const removes = random.below(4) === 0;
      const value = removes ? undefined : bytes(valueOf(key, ++version));
      batch.push({ key: bytes(key), value });
      issued += issuedLine(n, removes ? 0 : version);
    }
    journal.writeSync(bytes(issued));
    for (const outcome of store.write(batch)) {
      if (outcome instanceof Error) throw outcome;
    }
    await store.sync();
    journal.writeSync(bytes(ACKNOWLEDGED_LINE));
    // Lets the event loop turn where nothing is waited for.
    if (random.below(10) === 0) await new Promise((next) => setTimeout(next));
  }
  await store.close();
}

self.onmessage = async ({ data }: MessageEvent<CrashWorkerTask>) => {
  self.postMessage("started");
  await writeUntilKilled(data);
  self.postMessage("ended");
};
