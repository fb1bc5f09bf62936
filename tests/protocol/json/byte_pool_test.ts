import { assert, assertEquals } from "@std/assert";
import { BytePool } from "../../../protocol/json/bytes.ts";

Deno.test("BytePool lends room for bytes that no later call touches", () => {
  const pool = new BytePool();
  const runs: Uint8Array[] = [];
  const lengths: number[] = [];
  for (let i = 0; i < 2_000; i++) {
    const length = i % 97 === 0 ? 70_000 + i : i % 300;
    const room = pool.room(length);
    assert(room.length >= length);
    room.fill(i);
    // Less than there was room for.
    lengths.push(Math.floor(length / 2));
    runs.push(pool.take(lengths[i]));
  }
  for (const [i, run] of runs.entries()) {
    assertEquals(run.length, lengths[i]);
    assert(run.every((byte) => byte === i % 256));
  }
});

Deno.test("BytePool gives out again what was not taken", () => {
  const pool = new BytePool();
  const { buffer } = pool.room(10_000);
  for (let i = 0; i < 1_000; i++) {
    assert(pool.room(10_000).buffer === buffer);
    pool.take(10);
  }
  assert(pool.room(100_000).buffer !== buffer);
});
