import { assert, assertEquals } from "@std/assert";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { TestWorker } from "./_helpers.ts";
import {
  type IndexReport,
  type IndexTask,
  keyOf,
  pointerOf,
} from "./_index_worker.ts";

/** The size of a concurrent run. */
export interface IndexRun {
  /** The number of keys, half of them there all the while. */
  readonly keys: number;
  /** How many changes the one writer makes. */
  readonly changes: number;
  /** How many Workers read. */
  readonly readers: number;
  readonly seed: number;
  /** Whether the keys come and go all together rather than at random. */
  readonly inWaves?: boolean;
}

/**
 * Lets readers check a map while a writer changes it without pause, and checks
 * in the end that the writer's memory stayed bounded.
 */
export async function runIndex(run: IndexRun): Promise<void> {
  const { keys, changes, readers, seed, inWaves = false } = run;
  const map = Keydir.create(2 ** 22);
  for (let n = 0; n < keys; n++) map.set(keyOf(n), pointerOf(n, 1));
  const full = map.usedBytes;
  const flags = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from(
    { length: readers + 1 },
    () => new TestWorker("_index_worker.ts"),
  );
  const reports = workers.map((worker, i) =>
    worker.run<IndexReport>(
      {
        role: i > 0 ? "read" : inWaves ? "waves" : "write",
        buffer: map.buffer,
        flags,
        readers,
        keys,
        changes,
        seed: seed + i,
      } satisfies IndexTask,
    ).catch((error) => {
      // The others end as well.
      Atomics.store(flags, 0, 1);
      throw error;
    })
  );
  try {
    const [writer, ...others] = await Promise.all(reports);
    for (const { lookups, pages } of others) assert(lookups > 0 && pages > 0);
    // No more than the ring of retired blocks holds is ever kept for readers,
    // however long the system keeps one from going on.
    const keptWords = 8_192 * 24;
    assert(
      writer.maxUsedBytes < full + keptWords * 4,
      `${writer.maxUsedBytes} bytes used, ${full} with all keys`,
    );
    // What was free after a tenth of the time has served since.
    const [early, late] = writer.topWords;
    assert(
      late < early * 1.3 + keptWords,
      `memory grew from ${early} to ${late} words`,
    );
  } finally {
    await Promise.allSettled(reports);
    workers.forEach((worker) => worker[Symbol.dispose]());
  }
  const found = map.page(keys + 1);
  assertEquals(found.length, map.size);
}
