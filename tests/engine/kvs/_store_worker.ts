/**
 * Readers and writers of one KvStore, each in a Worker of its own. Values say
 * which key and version they are of, so that a reader can tell a mixture.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { Write } from "../../../engine/engine.ts";
import type { KvsHandle } from "../../../engine/kvs/store/handle.ts";
import { KvStore } from "../../../engine/kvs/store/store.ts";
import { bytes, Random } from "./_helpers.ts";
import { keyOf, valueOf, versionOf } from "./_versions.ts";

/** What a Worker is to do. */
export interface StoreTask {
  readonly role: "write" | "read";
  readonly handle: KvsHandle;
  /** Its first word becomes 1 when all writers are done. */
  readonly flags: Int32Array;
  /** The number of keys of each writer. */
  readonly keys: number;
  /** The number of writers; a writer's place among them is its `seed`. */
  readonly writers: number;
  /** How many writes a writer makes. */
  readonly writes: number;
  readonly seed: number;
}

/** What a Worker has done. */
export interface StoreReport {
  /** For a writer, each of its keys' last version; 0 for a removed one. */
  readonly versions: number[];
  readonly reads: number;
}

async function write(store: KvStore, task: StoreTask): Promise<StoreReport> {
  const { keys, seed: writer, writes } = task;
  const random = new Random(writer + 77);
  const versions = new Array<number>(keys).fill(0);
  let version = 0;
  for (let done = 0; done < writes;) {
    const batch: Write[] = [];
    const expected: boolean[] = [];
    for (let i = random.below(12); i >= 0; i--, done++) {
      const n = random.below(keys);
      const key = keyOf(writer, n);
      // Every fourth key is there all the while, once it has come.
      const removes = n % 4 !== 0 && random.below(3) === 0;
      if (removes) {
        expected.push(versions[n] !== 0);
        versions[n] = 0;
        batch.push({ key: bytes(key), value: undefined });
      } else {
        expected.push(true);
        versions[n] = ++version;
        batch.push({ key: bytes(key), value: bytes(valueOf(key, version)) });
      }
    }
    const outcomes = store.write(batch);
    outcomes.forEach((outcome, i) => {
      if (outcome !== expected[i]) {
        throw new Error(`A write came to ${outcome} instead of ${expected[i]}`);
      }
    });
    if (random.below(20) === 0) await store.sync();
    // What it has written itself it sees at once.
    const n = random.below(keys);
    const value = store.get(keyOf(writer, n));
    const found = value === undefined ? 0 : versionOf(keyOf(writer, n), value);
    if (found !== versions[n]) {
      throw new Error(
        `${keyOf(writer, n)} has version ${found} instead of ${versions[n]}`,
      );
    }
  }
  await store.sync();
  return { versions, reads: 0 };
}

async function read(store: KvStore, task: StoreTask): Promise<StoreReport> {
  const { keys, writers, flags, seed } = task;
  const random = new Random(seed);
  const seen = new Map<string, number>();
  let reads = 0;
  while (Atomics.load(flags, 0) === 0) {
    for (let i = 0; i < 100; i++, reads++) {
      const n = random.below(keys);
      const key = keyOf(random.below(writers), n);
      const value = store.get(key);
      const last = seen.get(key) ?? 0;
      if (value === undefined) {
        if (n % 4 === 0 && last > 0) throw new Error(`Key ${key} was missed`);
        continue;
      }
      const version = versionOf(key, value);
      if (version < last) {
        throw new Error(`${key} went back from version ${last} to ${version}`);
      }
      seen.set(key, version);
    }
    // Lets messages in.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return { versions: [], reads };
}

self.onmessage = async ({ data }: MessageEvent<StoreTask>) => {
  const store = KvStore.attach(data.handle);
  const report = await (data.role === "write" ? write : read)(store, data);
  await store.close();
  self.postMessage(report);
};
