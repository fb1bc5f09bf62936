import { assertEquals, assertStringIncludes } from "@std/assert";
import { statsText } from "../../../cli/commands/stats.ts";
import type { StoreStats } from "../../../engine/engine.ts";
import {
  readMonitor,
  shareMonitor,
  statsOf,
  WorkerTally,
} from "../../../monitor/monitor.ts";
import { MemoryEngine } from "../../_memory_engine.ts";

const STORE = {
  engine: "kvs",
  sync: "always",
  diskBytes: 8,
  liveBytes: 8,
  deadBytes: 0,
  segments: 1,
} satisfies StoreStats;

async function serverStats(
  threads: number,
  store: StoreStats,
  died = 0,
  down = 0,
) {
  const monitor = shareMonitor("reuse-port", threads);
  const tally = new WorkerTally(monitor);
  for (let i = 0; i < died; i++) tally.died();
  tally.setDown(down);
  const reading = await readMonitor(monitor, new MemoryEngine());
  return statsOf({ ...reading, store });
}

/** The text of a row, by its name. */
function row(text: string, name: string): string | undefined {
  return new RegExp(`^${name} +(.*)$`, "m").exec(text)?.[1];
}

Deno.test("statsText() says one of one", async () => {
  const one = statsText(await serverStats(1, STORE));
  assertEquals(row(one, "pool"), "reuse-port, 1 thread");
  assertStringIncludes(row(one, "disk")!, "in 1 segment");
  assertEquals(/\b1 (threads|segments|Workers)\b/.test(one), false);
  const more = statsText(await serverStats(2, { ...STORE, segments: 0 }));
  assertEquals(row(more, "pool"), "reuse-port, 2 threads");
  assertStringIncludes(row(more, "disk")!, "in 0 segments");
  assertStringIncludes(statsText({ store: STORE }), "in 1 segment\n");
});

Deno.test("statsText() says how Workers are once one has died", async () => {
  const pool = async (died: number, down: number) =>
    row(statsText(await serverStats(2, STORE, died, down)), "pool");
  assertEquals(await pool(0, 0), "reuse-port, 2 threads");
  assertEquals(
    await pool(1, 0),
    "reuse-port, 2 threads; 1 Worker died, 0 down",
  );
  assertEquals(
    await pool(7, 2),
    "reuse-port, 2 threads; 7 Workers died, 2 down",
  );
});

Deno.test("statsText() says why writes are refused, and nothing if they are not", async () => {
  const writesRefused = "The disk failed to keep a write: see the log";
  const refusing = { ...STORE, writesRefused };
  for (
    const text of [
      statsText(await serverStats(2, refusing)),
      statsText({ store: refusing }),
    ]
  ) assertEquals(row(text, "writes"), `refused: ${writesRefused}`);
  for (
    const text of [
      statsText(await serverStats(2, STORE)),
      statsText({ store: STORE }),
    ]
  ) assertEquals(row(text, "writes"), undefined);
});
