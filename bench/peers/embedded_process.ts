/**
 * Measures one embedded store in a process of its own. Prints a line of JSON.
 *
 * Arguments: the store's name, a directory, `durable` or `volatile`, and for
 * how many milliseconds to measure each figure.
 *
 * @module
 */

import { DATA } from "../support/workload.ts";
import { randomNumbers } from "../load/requests.ts";
import {
  type EmbeddedName,
  type EmbeddedStore,
  openEmbedded,
  type Pair,
} from "./embedded_stores.ts";

/** Operations to a second. */
export interface EmbeddedRates {
  readonly get: number;
  readonly set: number;
  /** Keys set, {@linkcode BATCH} in each step. */
  readonly setAll: number;
}

/** Keys that are set in one step. */
export const BATCH = 64;

/** Operations between two looks at the clock. */
const BETWEEN_CLOCKS = 16;

if (import.meta.main) {
  const [name, dir, durability, measureMs] = Deno.args;
  const store = await openEmbedded(
    name as EmbeddedName,
    dir,
    durability === "durable",
  );
  const rates = await measureRates(store, Number(measureMs));
  await store.close();
  console.log(JSON.stringify(rates));
}

async function measureRates(
  store: EmbeddedStore,
  measureMs: number,
): Promise<EmbeddedRates> {
  const pairs = makePairs();
  for (let i = 0; i < pairs.length; i += 1000) {
    await store.setAll(pairs.slice(i, i + 1000));
  }
  const random = randomNumbers(2);
  const order = Uint32Array.from(
    { length: pairs.length },
    () => random(pairs.length),
  );
  const batches = Array.from(
    { length: Math.floor(order.length / BATCH) },
    (_, i) =>
      Array.from(
        order.subarray(i * BATCH, (i + 1) * BATCH),
        (place) => pairs[place],
      ),
  );
  const pairAt = (i: number) => pairs[order[i % order.length]];
  // What a store keeps in memory of what was read is there from here on.
  for (const [key] of pairs) await store.get(key);
  // Writes last, or what they make the store do afterwards would disturb.
  return {
    get: await rateOf(measureMs, (i) => store.get(pairAt(i)[0])),
    set: await rateOf(measureMs, (i) => store.set(...pairAt(i))),
    setAll: BATCH *
      await rateOf(measureMs, (i) => store.setAll(batches[i % batches.length])),
  };
}

/** How often something can be done in a second, one after the other. */
async function rateOf(
  measureMs: number,
  operation: (i: number) => unknown,
): Promise<number> {
  let next = 0;
  const runFor = async (durationMs: number) => {
    const first = next;
    const startMs = performance.now();
    let nowMs = startMs;
    while (nowMs < startMs + durationMs) {
      for (let i = 0; i < BETWEEN_CLOCKS; i++) {
        const done = operation(next++);
        // Awaiting what is no promise would cost a turn of the event loop.
        if (done instanceof Promise) await done;
      }
      nowMs = performance.now();
    }
    return (next - first) / (nowMs - startMs) * 1e3;
  };
  await runFor(measureMs / 4);
  return await runFor(measureMs);
}

function makePairs(): Pair[] {
  const random = randomNumbers(1);
  return Array.from({ length: DATA.keys }, (_, i) => {
    let value = "";
    while (value.length < DATA.valueBytes) value += random(36).toString(36);
    return [`key:${String(i).padStart(12, "0")}`, value];
  });
}
