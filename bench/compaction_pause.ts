/**
 * What compaction costs those who read and write meanwhile: the latencies of
 * gets and sets, idle and during compaction, in turns within one run.
 *
 * @module
 */

/// <reference lib="deno.window" />
/// <reference lib="deno.worker" />

import type { KvsHandle } from "../engine/kvs/store/handle.ts";
import { KvStore } from "../engine/kvs/store/store.ts";

const KEYS = 100_000;
const VALUE_BYTES = 400;
/** Between two operations: a server at work, not one that is overrun. */
const PAUSE_MS = 1;
const OPERATIONS_PER_PAUSE = 20;
const ROUNDS = 5;
/** How long the idle part of a round lasts. */
const IDLE_MS = 3_000;

const encoder = new TextEncoder();

/** What the Worker is told to do, and what it answers. */
interface Task {
  readonly handle: KvsHandle;
  /** Its first word is the phase; -1 ends the Worker. */
  readonly phase: Int32Array;
}
type Latencies = Record<"get" | "set", number[][]>;

const PHASES = ["idle", "compacting"] as const;

function keyOf(n: number): Uint8Array {
  return encoder.encode(`key${String(n).padStart(8, "0")}`);
}

/** Reads and writes, and notes how long each took, until it is told to end. */
async function work({ handle, phase }: Task): Promise<Latencies> {
  const store = KvStore.attach(handle);
  const latencies: Latencies = { get: [[], []], set: [[], []] };
  const value = encoder.encode("v".repeat(VALUE_BYTES));
  let turn = 0;
  for (;;) {
    const now = Atomics.load(phase, 0);
    if (now < 0) break;
    for (let i = 0; i < OPERATIONS_PER_PAUSE; i++) {
      turn = (turn + 7_919) % KEYS;
      const key = keyOf(turn);
      const start = performance.now();
      if (i % 2 === 0) store.getBytes(key);
      else store.write([{ key, value }]);
      const tookMs = performance.now() - start;
      latencies[i % 2 === 0 ? "get" : "set"][now].push(tookMs);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await store.close();
  return latencies;
}

function percentile(sorted: number[], percent: number): number {
  return sorted[
    Math.min(
      sorted.length - 1,
      Math.floor(sorted.length * percent / 100),
    )
  ];
}

async function main(): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "kvs_bench_pause_" });
  try {
    const store = KvStore.open(directory, {
      sync: "no",
      compactAtBytes: Infinity,
      segmentBytes: 8 * 2 ** 20,
    });
    const value = encoder.encode("v".repeat(VALUE_BYTES));
    const overwrite = (every: number) => {
      for (let n = 0; n < KEYS; n += every) {
        store.write([{ key: keyOf(n), value }]);
      }
    };
    overwrite(1);
    const phase = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(import.meta.url, { type: "module" });
    const done = new Promise<Latencies>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
    worker.postMessage({ handle: store.share(), phase } satisfies Task);
    let compactingMs = 0;
    for (let round = 0; round < ROUNDS; round++) {
      Atomics.store(phase, 0, 0);
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      // Something to do in each segment.
      overwrite(3);
      Atomics.store(phase, 0, 1);
      const start = performance.now();
      await store.compact();
      compactingMs += performance.now() - start;
    }
    Atomics.store(phase, 0, -1);
    report(await done);
    console.log(
      `${ROUNDS} compactions took ${Math.round(compactingMs)} ms in all`,
    );
    worker.terminate();
    await store.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function report(latencies: Latencies): void {
  for (const operation of ["get", "set"] as const) {
    const [idle, compacting] = latencies[operation].map((values) =>
      values.sort((a, b) => a - b)
    );
    for (const percent of [50, 99, 99.9]) {
      const [before, during] = [idle, compacting].map((values) =>
        percentile(values, percent)
      );
      console.log(
        `${operation} p${percent}: idle ${
          (before * 1_000).toFixed(1)
        } us, compacting ${(during * 1_000).toFixed(1)} us, ratio ${
          (during / before).toFixed(2)
        }`,
      );
    }
    console.log(
      `${operation}: ${
        PHASES.map((name, i) => `${latencies[operation][i].length} ${name}`)
          .join(", ")
      }`,
    );
  }
}

if (import.meta.main && typeof WorkerGlobalScope === "undefined") {
  await main();
} else {
  self.onmessage = async ({ data }: MessageEvent<Task>) => {
    self.postMessage(await work(data));
  };
}
