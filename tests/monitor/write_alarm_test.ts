import { assertEquals } from "@std/assert";
import type { StoreStats } from "../../engine/engine.ts";
import { WriteAlarm } from "../../monitor/write_alarm.ts";

const SOUND: StoreStats = { engine: "kvs", sync: "always", diskBytes: 0 };

Deno.test("WriteAlarm says once a minute that writes are refused", async () => {
  let stats: StoreStats | Error = SOUND;
  const log: string[] = [];
  const alarm = new WriteAlarm(() => {
    if (stats instanceof Error) throw stats;
    return stats;
  }, (level, message) => log.push(`${level} ${message}`));
  await alarm.check(0);
  assertEquals(log, []);

  const line = "error Writes are refused: The disk failed";
  stats = { ...SOUND, writesRefused: "The disk failed" };
  await alarm.check(1);
  assertEquals(log, [line]);
  for (let ms = 10_000; ms <= 60_000; ms += 10_000) await alarm.check(ms);
  assertEquals(log, [line]);
  await alarm.check(60_001);
  assertEquals(log, [line, line]);

  // What can't be told is no news, good or bad.
  stats = new Error("Store is closed");
  await alarm.check(70_000);
  stats = { ...SOUND, writesRefused: "The disk failed" };
  await alarm.check(80_000);
  assertEquals(log, [line, line]);
  await alarm.check(120_001);
  assertEquals(log, [line, line, line]);

  // Should a store take writes again, the next refusal is news.
  stats = SOUND;
  await alarm.check(120_002);
  stats = { ...SOUND, writesRefused: "The disk failed" };
  await alarm.check(120_003);
  assertEquals(log, [line, line, line, line]);
});
