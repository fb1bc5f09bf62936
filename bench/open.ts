/**
 * How long it takes to open a store of 1,000,000 keys: after a clean stop,
 * after kill -9, and from the log alone, each in a new process.
 *
 * @module
 */

import { KvStore } from "../engine/kvs/store/store.ts";
import { runModule } from "./support/deno_flags.ts";

const KEYS = 1_000_000;
const BATCH = 1_000;
const RUNS = 5;

const encoder = new TextEncoder();

/** Fills a store with 11-byte keys in random order and 100-byte values. */
function fill(store: KvStore): void {
  const value = encoder.encode("v".repeat(100));
  for (let at = 0; at < KEYS; at += BATCH) {
    store.write(Array.from({ length: BATCH }, (_, i) => ({
      // A permutation of the numbers: 7,919 and the number of keys are coprime.
      key: encoder.encode(
        `key${String((at + i) * 7_919 % KEYS).padStart(8, "0")}`,
      ),
      value,
    })));
  }
}

/** Removes files of a kind, so that opening has to do without. */
function removeAll(directory: string, pattern: RegExp): void {
  for (const { name } of Deno.readDirSync(directory)) {
    if (pattern.test(name)) Deno.removeSync(`${directory}/${name}`);
  }
}

async function timeOpening(directory: string): Promise<number> {
  const start = performance.now();
  const store = KvStore.open(directory, { sync: "no" });
  const openedMs = performance.now() - start;
  if (store.size !== KEYS) throw new Error(`Found ${store.size} keys`);
  await store.close();
  return openedMs;
}

/** Measures all cases, and prints them. */
async function main(): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_bench_open_" });
  try {
    const store = KvStore.open(directory, { sync: "no" });
    fill(store);
    // Writes the hint files of the segments that are full.
    await store.compact();
    await store.close();
    const cases = {
      "clean stop (snapshot)": () => {},
      // What a kill leaves: no snapshot of this run, and a last segment, partly
      // filled, without a hint file.
      "kill -9 (hint files and the last segment)": () =>
        removeAll(directory, /^INDEX$/),
      "log alone": () => removeAll(directory, /^INDEX$|\.hint$/),
    };
    const times = new Map<string, number[]>();
    for (let run = 0; run < RUNS; run++) {
      for (const [name, prepare] of Object.entries(cases)) {
        prepare();
        const ms = await runModule<number>(
          new URL(import.meta.url),
          ["--time", directory],
        );
        times.set(name, [...times.get(name) ?? [], ms]);
        if (name !== "log alone") continue;
        // Puts hints and snapshot back for the next run.
        const again = KvStore.open(directory, { sync: "no" });
        await again.compact();
        await again.close();
      }
    }
    for (const [name, ms] of times) {
      const sorted = ms.toSorted((a, b) => a - b);
      const [min, median, max] = [
        sorted[0],
        sorted[Math.floor(sorted.length / 2)],
        sorted[sorted.length - 1],
      ].map((value) => `${(value / 1000).toFixed(2)} s`);
      console.log(`${name.padEnd(44)} ${median}  (${min} - ${max})`);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

if (import.meta.main) {
  const [option, directory] = Deno.args;
  if (option === "--time") console.log(await timeOpening(directory));
  else await main();
}
