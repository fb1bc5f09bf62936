import { assertEquals } from "@std/assert";
import { isServerStats } from "../../protocol/server_stats.ts";
import { aloneMonitor } from "../_monitor.ts";
import { MemoryEngine } from "../_memory_engine.ts";

Deno.test("isServerStats() knows what a server tells", async () => {
  const stats = await aloneMonitor().stats(new MemoryEngine());
  assertEquals(isServerStats(stats), true);
  assertEquals(isServerStats({ ...stats, news: 1 }), true);
});

Deno.test("isServerStats() misses what is not there", async () => {
  const stats = await aloneMonitor().stats(new MemoryEngine());
  const { errors: _, ...less } = stats;
  for (
    const other of [
      null,
      "stats",
      {},
      less,
      { ...stats, version: 1 },
      { ...stats, operations: { ...stats.operations, get: "1" } },
      { ...stats, latency: { get: stats.latency.get, set: null } },
    ]
  ) {
    assertEquals(isServerStats(other), false);
  }
});
