/**
 * What a million keys take in the memory of the kvs engine. Prints a line of
 * JSON. Its argument is an empty directory.
 *
 * @module
 */

import { KvStore } from "../../engine/kvs/store.ts";
import { SkipMap } from "../../engine/kvs/skip_map.ts";

/** Memory for each key, in bytes. */
export interface MemoryFigures {
  /** What the index has in use. */
  readonly indexBytes: number;
  /** What the process has grown by. */
  readonly processBytes: number;
}

/** The number of keys; they and their values are as in all benchmarks. */
export const MEMORY_KEYS = 1_000_000;

const BATCH = 1_000;

if (import.meta.main) {
  const store = KvStore.open(Deno.args[0], { sync: "no" });
  const encoder = new TextEncoder();
  const value = encoder.encode("v".repeat(100));
  const before = rssBytes();
  for (let i = 0; i < MEMORY_KEYS; i += BATCH) {
    store.write(Array.from({ length: BATCH }, (_, j) => ({
      key: encoder.encode(`key:${String(i + j).padStart(12, "0")}`),
      value,
    })));
  }
  const index = SkipMap.attach(store.share().index);
  const figures: MemoryFigures = {
    indexBytes: index.usedBytes / MEMORY_KEYS,
    processBytes: (rssBytes() - before) / MEMORY_KEYS,
  };
  index.detach();
  await store.close();
  console.log(JSON.stringify(figures));
}

function rssBytes(): number {
  return Deno.memoryUsage().rss;
}
