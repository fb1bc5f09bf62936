import { runIndex } from "../engine/kvs/_index_concurrency.ts";
import { runStore } from "../engine/kvs/_store_concurrency.ts";
import { seed, setting } from "./_settings.ts";

/** Multiplies the length of every run. */
const scale = setting("KVS_TORTURE_SCALE", 1);

for (
  const { keys, changes, inWaves } of [
    { keys: 4, changes: 1_500_000, inWaves: false },
    { keys: 60, changes: 1_500_000, inWaves: false },
    { keys: 5_000, changes: 1_000_000, inWaves: false },
    { keys: 5_000, changes: 1_000_000, inWaves: true },
  ]
) {
  const how = inWaves ? "come and go in waves" : "change at random";
  Deno.test(`Keydir shows readers whole entries while ${keys} keys ${how}`, () =>
    runIndex({
      keys,
      changes: changes * scale,
      readers: 3,
      seed: seed(),
      inWaves,
    }));
}

for (
  const [sync, writes] of [
    ["no", 60_000],
    ["everysec", 60_000],
    ["always", 6_000],
  ] as const
) {
  Deno.test(`KvStore loses no write of several Workers with sync ${sync}`, () =>
    runStore({
      writers: 3,
      readers: 2,
      keys: 400,
      writes: writes * scale,
      options: { segmentBytes: 2 ** 16, sync, cacheBytes: 2 ** 16 },
    }));
}
