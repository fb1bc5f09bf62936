import { assert, assertEquals } from "@std/assert";
import type { KvStoreOptions } from "../../../engine/kvs/store/handle.ts";
import { openStore, TempDirectory, TestWorker } from "./_helpers.ts";
import type { StoreReport, StoreTask } from "./_store_worker.ts";
import { keyOf, versionOf } from "./_versions.ts";

/** The size of a concurrent run. */
export interface StoreRun {
  readonly writers: number;
  readonly readers: number;
  /** The number of keys of each writer. */
  readonly keys: number;
  /** How many writes each writer makes. */
  readonly writes: number;
  readonly options: KvStoreOptions;
}

/**
 * Lets Workers write and read one store while it is compacted again and again,
 * and checks that nothing got lost, also after it is opened anew.
 */
export async function runStore(run: StoreRun): Promise<void> {
  const { writers, readers, keys, writes, options } = run;
  using directory = new TempDirectory();
  const store = openStore(directory.path, options);
  const flags = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from(
    { length: writers + readers },
    () => new TestWorker("_store_worker.ts"),
  );
  const end = () => Atomics.store(flags, 0, 1);
  const reports = workers.map((worker, i) =>
    worker.run<StoreReport>(
      {
        role: i < writers ? "write" : "read",
        handle: store.share(),
        flags,
        keys,
        writers,
        writes,
        seed: i,
      } satisfies StoreTask,
    ).catch((error) => {
      end();
      throw error;
    })
  );
  try {
    const written = Promise.all(reports.slice(0, writers)).finally(end);
    let compactions = 0;
    while (Atomics.load(flags, 0) === 0) {
      await store.compact();
      compactions++;
    }
    const [last, all] = await Promise.all([written, Promise.all(reports)]);
    for (const { reads } of all.slice(writers)) assert(reads > 0);
    assert(compactions > 0, "too short for a compaction");
    const check = (found: typeof store) => {
      let size = 0;
      last.forEach(({ versions }, writer) =>
        versions.forEach((version, n) => {
          const key = keyOf(writer, n);
          const value = found.get(key);
          assertEquals(
            value === undefined ? 0 : versionOf(key, value),
            version,
            key,
          );
          if (version !== 0) size++;
        })
      );
      assertEquals(found.size, size);
    };
    check(store);
    await store.compact();
    check(store);
    await store.close();
    const again = openStore(directory.path, options);
    check(again);
    await again.close();
  } finally {
    end();
    await Promise.allSettled(reports);
    workers.forEach((worker) => worker[Symbol.dispose]());
    await store.close();
  }
}
