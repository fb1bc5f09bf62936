import { assert, assertEquals, assertThrows } from "@std/assert";
import { IndexFullError } from "../../../../engine/errors.ts";
import { Arena } from "../../../../engine/kvs/index/arena.ts";
import {
  NODE,
  RECORD,
  TABLE,
  TOP,
} from "../../../../engine/kvs/index/layout.ts";
import { READER_SLOTS } from "../../../../engine/kvs/index/epochs.ts";
import { MAX_THREADS } from "../../../../pool/pool.ts";
import { Random } from "../_helpers.ts";

const MIN_BYTES = 2 ** 18;

/** Retires blocks until the arena has had reason to advance several epochs. */
function churn(arena: Arena, blocks = 512): number[] {
  return Array.from({ length: blocks }, () => {
    const block = arena.allocate(3);
    arena.retire(block, 3);
    return block;
  });
}

/** Allocates until the arena is full. */
function fill(arena: Arena, size: number, useReserve = false): number[] {
  const blocks: number[] = [];
  try {
    for (;;) blocks.push(arena.allocate(size, useReserve));
  } catch (error) {
    if (!(error instanceof IndexFullError)) throw error;
    return blocks;
  }
}

Deno.test("Arena.create() refuses a size out of its range", () => {
  for (const sizeBytes of [0, -1, NaN, MIN_BYTES - 1, 2 ** 34 + 1, Infinity]) {
    assertThrows(
      () => Arena.create(sizeBytes),
      RangeError,
      `Index size must be from 262144 to 17179869184 bytes, found ${sizeBytes}`,
    );
  }
  assertEquals(Arena.create(MIN_BYTES + 3).words.byteLength, MIN_BYTES);
});

Deno.test("Arena.allocate() never gives a word to two blocks at once", () => {
  const arena = Arena.create(2 ** 20);
  const reader = Arena.attach(arena.buffer);
  const random = new Random(1);
  const live: { block: number; size: number; stamp: number }[] = [];
  for (let stamp = 1; stamp <= 30_000; stamp++) {
    if (random.below(50) === 0) reader.epochs.pin();
    if (random.below(50) === 0) reader.epochs.unpin();
    if (live.length > 0 && random.below(100) < 50) {
      const [one] = live.splice(random.below(live.length), 1);
      for (let i = 0; i < one.size; i++) {
        assertEquals(arena.words[one.block + i], one.stamp);
      }
      if (random.below(2) === 0) arena.free(one.block, one.size);
      else arena.retire(one.block, one.size);
    } else if (live.length < 400) {
      const size = random.below(10) === 0
        ? 1 + random.below(700)
        : 1 + random.below(70);
      const block = arena.allocate(size);
      assert(block + size <= arena.topWords);
      arena.words.fill(stamp, block, block + size);
      live.push({ block, size, stamp });
    }
  }
});

Deno.test("Arena.allocate() has room for every size up to the whole arena", () => {
  const arena = Arena.create(2 ** 25);
  for (let size = 1; size < 400_000; size += 1 + (size >>> 3)) {
    const block = arena.allocate(size);
    arena.words.fill(0xffff_ffff, block, block + size);
    assert(block + size <= arena.topWords, `size ${size}`);
    arena.free(block, size);
    assertEquals(arena.allocate(size), block, `size ${size} is reused`);
    arena.free(block, size);
  }
});

Deno.test("Arena.allocate() cuts small blocks from a large table that is free", () => {
  const arena = Arena.create(MIN_BYTES);
  const large = arena.allocate(1_024, false, TABLE);
  const top = arena.topWords;
  arena.free(large, 1_024, TABLE);
  const used = arena.usedWords;
  const cut = Array.from({ length: 204 }, () => arena.allocate(5));
  assertEquals(cut, cut.map((_, i) => large + i * 5));
  assertEquals(arena.usedWords, used + 204 * 5);
  const behind = arena.allocate(5);
  assertEquals([behind, arena.topWords], [top, top + 5]);
  // What is too short to be cut again goes to blocks of its own size.
  arena.free(arena.allocate(900, false, TABLE), 900, TABLE);
  assertEquals(arena.allocate(6), top + 5);
  assertEquals(arena.allocate(4), large + 204 * 5);
});

Deno.test("Arena.allocate() cuts up nothing that the reserve has been taken for", () => {
  const arena = Arena.create(MIN_BYTES);
  fill(arena, 5);
  let table = arena.allocate(1_000, true, TABLE);
  for (let i = 0; i < 100; i++) {
    const next = arena.allocate(1_000, true, TABLE);
    arena.free(table, 1_000, TABLE);
    table = next;
    assertThrows(() => arena.allocate(6), IndexFullError);
  }
});

Deno.test("Arena.free() gives a block back at once, and takes it off usedWords", () => {
  const arena = Arena.create(MIN_BYTES);
  const used = arena.usedWords;
  const block = arena.allocate(9);
  assertEquals(arena.usedWords, used + 9);
  arena.free(block, 9);
  assertEquals(arena.usedWords, used);
  assertEquals(arena.allocate(9), block);
});

Deno.test("Arena.retire() gives blocks back when no reader is reading", () => {
  const arena = Arena.create(MIN_BYTES);
  const top = arena.topWords;
  for (let round = 0; round < 100; round++) churn(arena);
  // At most a few epochs' worth of blocks is ever waiting.
  assert(arena.topWords - top < 3 * 512, `${arena.topWords - top} words`);
});

Deno.test("Arena.retire() keeps blocks from reuse while a reader reads", () => {
  const arena = Arena.create(MIN_BYTES);
  const reader = Arena.attach(arena.buffer);
  churn(arena);
  reader.epochs.pin();
  const block = arena.allocate(5);
  arena.retire(block, 5);
  churn(arena);
  for (let i = 0; i < 1_000; i++) assert(arena.allocate(5) !== block);
  reader.epochs.unpin();
  churn(arena);
  assertEquals(arena.allocate(5), block);
});

Deno.test("Arena.retire() waits for the reader that began first, not the last", () => {
  const arena = Arena.create(MIN_BYTES);
  const first = Arena.attach(arena.buffer);
  const second = Arena.attach(arena.buffer);
  first.epochs.pin();
  const block = arena.allocate(5);
  arena.retire(block, 5);
  second.epochs.pin();
  second.epochs.unpin();
  churn(arena);
  second.epochs.pin();
  churn(arena);
  assert(arena.allocate(5) !== block);
  first.epochs.unpin();
  churn(arena);
  // The second began after the block was out of reach: at most the blocks
  // retired since then wait for it.
  assertEquals(arena.allocate(5), block);
  second.epochs.unpin();
});

Deno.test("Arena.retire() goes on when a reader died while it read", () => {
  const arena = Arena.create(2 ** 20);
  const dead = Arena.attach(arena.buffer);
  dead.epochs.pin();
  const seen = arena.allocate(3);
  arena.retire(seen, 3);
  // A clock that each look moves on by 10 µs, so that a wait of a second takes
  // a hundred thousand looks, however fast or busy the machine is.
  const { now } = performance;
  let nowMs = 0;
  performance.now = () => nowMs += 0.01;
  let later: number[];
  try {
    later = churn(arena, 20_000);
  } finally {
    performance.now = now;
  }
  assert(!later.includes(seen), "the dead reader's block was reused");
  // One wait of a second is the price of a dead reader, not one for each
  // block retired from then on.
  assert(nowMs < 5_000, `retiring took ${Math.round(nowMs)} ms`);
});

Deno.test("Arena.allocate() throws IndexFullError, and allocates again after free()", () => {
  const arena = Arena.create(MIN_BYTES);
  const blocks = fill(arena, 16);
  assert(blocks.length > 1_000);
  assertEquals(new Set(blocks).size, blocks.length);
  assertThrows(
    () => arena.allocate(16),
    IndexFullError,
    "Index is full at 262144 bytes; remove keys, or open the store with a larger index (--index-size)",
  );
  arena.free(blocks[7], 16);
  assertEquals(arena.allocate(16), blocks[7]);
});

Deno.test("Arena.allocate() takes what was retired before it gives up", () => {
  const arena = Arena.create(MIN_BYTES);
  const blocks = fill(arena, 16);
  for (const block of blocks.slice(0, 10)) arena.retire(block, 16);
  assertEquals(fill(arena, 16).length, 10);
});

Deno.test("Arena.allocate() keeps a sixteenth for those who may use the reserve", () => {
  const arena = Arena.create(MIN_BYTES);
  fill(arena, 16);
  const reserved = fill(arena, 16, true).length * 16;
  const sixteenth = arena.words.length / 16;
  assert(reserved > sixteenth - 32 && reserved <= sixteenth + 16);
});

Deno.test("Arena.allocate() keeps blocks of one use for that use", () => {
  const arena = Arena.create(MIN_BYTES);
  const uses = [NODE, RECORD, TABLE];
  const blocks = uses.map((use) => arena.allocate(12, false, use));
  fill(arena, 12);
  uses.forEach((use, i) => arena.free(blocks[i], 12, use));
  // In another order, and each gets the block that was its own.
  assertEquals(
    [TABLE, NODE, RECORD].map((use) => arena.allocate(12, false, use)),
    [blocks[2], blocks[0], blocks[1]],
  );
});

Deno.test("Arena.makeFree() cuts a larger block up, and loses none of its words", () => {
  for (const use of [NODE, RECORD, TABLE]) {
    for (
      const [large, size] of [[1_024, 5], [80, 64], [13, 12], [1_024, 320]]
    ) {
      const arena = Arena.create(MIN_BYTES);
      const block = arena.allocate(large);
      while (arena.tryAllocate(1, true, NODE) !== 0);
      assertEquals(arena.makeFree(size, use), false);
      const used = arena.usedWords;
      arena.free(block, large);
      const freedWords = used - arena.usedWords;
      assertEquals(arena.makeFree(size, use), true);
      assertEquals(arena.usedWords, used - freedWords);
      const first = arena.allocate(size, true, use);
      assert(first >= block && first + size <= block + large);
      // What is left is in blocks of some size or other.
      const taken = new Set([first]);
      for (let words = large; words > 0; words--) {
        for (const use of [NODE, RECORD, TABLE]) {
          for (;;) {
            const next = arena.tryAllocate(words, true, use);
            if (next === 0) break;
            assert(!taken.has(next));
            taken.add(next);
          }
        }
      }
      assertEquals(arena.usedWords, used);
    }
  }
});

Deno.test("Arena.attach() has slots for the threads of a server several times over", () => {
  assert(READER_SLOTS >= 4 * MAX_THREADS);
  const arena = Arena.create(MIN_BYTES);
  const readers = Array.from(
    { length: READER_SLOTS - 1 },
    () => Arena.attach(arena.buffer),
  );
  assertThrows(
    () => Arena.attach(arena.buffer),
    Error,
    "Cannot attach to the index: 1024 readers are attached already",
  );
  readers[100].epochs.detach();
  Arena.attach(arena.buffer);
  assertThrows(() => Arena.attach(arena.buffer), Error, "1024 readers");
});

Deno.test("Epochs.release() frees all slots of a dead holder, and no other", () => {
  const arena = Arena.create(MIN_BYTES, 1);
  const attach = (holder?: number) => Arena.attach(arena.buffer, holder);
  for (let i = 0; i < 500; i++) attach(7), attach(3);
  for (let i = 1_001; i < READER_SLOTS; i++) attach();
  assertThrows(() => attach(4), Error, "1024 readers");
  assertEquals(arena.epochs.release(5), 0);
  assertEquals(arena.epochs.release(7), 500);
  assertEquals(arena.epochs.release(7), 0);
  for (let i = 0; i < 500; i++) attach(8);
  assertThrows(() => attach(4), Error, "1024 readers");
});

Deno.test("Epochs.release() ends the reading of a dead holder, at once", () => {
  const arena = Arena.create(2 ** 20);
  const dead = Arena.attach(arena.buffer, 7);
  const alive = Arena.attach(arena.buffer, 8);
  dead.epochs.pin();
  const block = arena.allocate(5);
  arena.retire(block, 5);
  churn(arena);
  assert(arena.allocate(5) !== block);
  arena.epochs.release(7);
  // The one that lives still counts.
  alive.epochs.pin();
  const seen = arena.allocate(6);
  arena.retire(seen, 6);
  churn(arena);
  assertEquals(arena.allocate(5), block);
  assert(arena.allocate(6) !== seen);
  alive.epochs.unpin();
  churn(arena);
  assertEquals(arena.allocate(6), seen);
});

Deno.test("Epochs.release() refuses ids that no holder can have", () => {
  const arena = Arena.create(MIN_BYTES);
  for (const holder of [0, -1, 1.5, NaN, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32]) {
    const message = `Holder must be from 1 to 4294967293, found ${holder}`;
    assertThrows(() => arena.epochs.release(holder), RangeError, message);
    if (holder === 2 ** 32 - 1) continue;
    assertThrows(() => Arena.create(MIN_BYTES, holder), RangeError, message);
  }
});

Deno.test({
  name:
    "Arena.allocate() gives out the last words of the largest arena, and no others",
  // Untouched memory costs nothing, but the system may refuse to promise it.
  ignore: Deno.systemMemoryInfo().total < 2 ** 34,
  fn() {
    const arena = Arena.create(2 ** 34);
    const { words } = arena;
    const header = words.slice(0, 4_096);
    assert(words.length < 2 ** 32);
    // As if all before it were in use.
    for (const size of [1, 5, 16, 64, 65, 1_000]) {
      words[TOP] = words.length - 2_000;
      const blocks = fill(arena, size, true);
      assert(blocks.length * size > 2_000 * 0.7 - size);
      blocks.forEach((block, i) => words.fill(i + 1, block, block + size));
      for (const [i, block] of blocks.entries()) {
        assert(block >= words.length - 2_000 && block + size <= words.length);
        assertEquals(words[block], i + 1);
        assertEquals(words[block + size - 1], i + 1);
      }
      assert(arena.topWords <= words.length);
      assertThrows(() => arena.allocate(size, true), IndexFullError);
      // Nor is there room below the reserve.
      assertThrows(() => arena.allocate(size), IndexFullError);
      blocks.forEach((block) => arena.retire(block, size));
      assertEquals(fill(arena, size).length, blocks.length);
    }
    // The counters of the header are before word 16.
    assertEquals(words.slice(16, 528), header.slice(16, 528));
  },
});

Deno.test("Epochs.detach() ends a read that was going on", () => {
  const arena = Arena.create(MIN_BYTES);
  const reader = Arena.attach(arena.buffer);
  reader.epochs.pin();
  reader.epochs.detach();
  const block = arena.allocate(5);
  arena.retire(block, 5);
  churn(arena);
  assertEquals(arena.allocate(5), block);
});

Deno.test("Epochs.freeAll() frees what was retired and forgets readers", () => {
  const old = Arena.create(MIN_BYTES);
  const kept = old.allocate(8);
  old.words.fill(77, kept, kept + 8);
  const used = old.usedWords;
  const reader = Arena.attach(old.buffer);
  reader.epochs.pin();
  const retired = old.allocate(30);
  old.retire(retired, 30);
  const content = old.words.slice(0, old.topWords);

  const arena = Arena.create(MIN_BYTES);
  arena.words.set(content);
  arena.epochs.freeAll();
  assertEquals(arena.usedWords, used);
  assertEquals(arena.allocate(30), retired);
  assertEquals([...arena.words.subarray(kept, kept + 8)], Array(8).fill(77));
  for (let round = 0; round < 10; round++) churn(arena);
  assertEquals([...arena.words.subarray(kept, kept + 8)], Array(8).fill(77));
  // Nor does a word outside the blocks change that nobody wrote.
  assertEquals([...arena.words.subarray(0, 2)], [0, 0]);
  for (let i = 1; i < READER_SLOTS; i++) Arena.attach(arena.buffer);
});
