import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  DAMAGED,
  SEALED,
  SEGMENT_TABLE_WORDS,
  SegmentTable,
  UNSYNCED,
} from "../../../../engine/kvs/log/segment_table.ts";

const MAX_SEGMENTS = 16_384;

function table(): SegmentTable {
  return new SegmentTable(new Uint32Array(SEGMENT_TABLE_WORDS + 4), 4);
}

Deno.test("SegmentTable.add() adds a sealed and empty segment", () => {
  const segments = table();
  segments.add(7, 16);
  assertEquals(segments.get(7), {
    id: 7,
    sizeBytes: 16,
    deadBytes: 0,
    deadRecords: 0,
    tombstoneBytes: 0,
    minSequence: Infinity,
    flags: SEALED,
  });
  assertEquals(segments.has(7), true);
  assertEquals(segments.has(8), false);
});

Deno.test("SegmentTable.add() finds nothing of a dropped segment in its row", () => {
  const segments = table();
  segments.add(7, 16);
  segments.addDead(7, 100);
  segments.addTombstones(7, 50);
  segments.lowerMinSequence(7, 3);
  segments.setFlags(7, DAMAGED | UNSYNCED);
  segments.drop(7);
  segments.add(7 + MAX_SEGMENTS, 32);
  assertEquals(segments.get(7 + MAX_SEGMENTS), {
    id: 7 + MAX_SEGMENTS,
    sizeBytes: 32,
    deadBytes: 0,
    deadRecords: 0,
    tombstoneBytes: 0,
    minSequence: Infinity,
    flags: SEALED,
  });
});

Deno.test("SegmentTable.get() names a segment that it does not know", () => {
  assertThrows(() => table().get(12), Error, "Segment 12 is not in the table");
});

Deno.test("SegmentTable.setFlags() sets some flags and clears others", () => {
  const segments = table();
  segments.add(1, 16);
  segments.setFlags(1, UNSYNCED | DAMAGED);
  assertEquals(segments.flags(1), SEALED | UNSYNCED | DAMAGED);
  segments.setFlags(1, 0, SEALED | UNSYNCED);
  assertEquals(segments.flags(1), DAMAGED);
});

Deno.test("SegmentTable.lowerMinSequence() keeps the smallest of 48 bits", () => {
  const segments = table();
  segments.add(1, 16);
  const last = 2 ** 48 - 1;
  for (
    const [given, smallest] of [
      [last, last],
      [2 ** 32, 2 ** 32],
      [2 ** 40, 2 ** 32],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [1, 1],
      [2, 1],
    ]
  ) {
    segments.lowerMinSequence(1, given);
    assertEquals(segments.get(1).minSequence, smallest);
  }
});

Deno.test("SegmentTable.addDead() and addTombstones() add up", () => {
  const segments = table();
  segments.add(1, 16);
  segments.addDead(1, 30);
  segments.addDead(1, 12);
  segments.addTombstones(1, 25);
  segments.addTombstones(1, 25);
  const { deadBytes, deadRecords, tombstoneBytes } = segments.get(1);
  assertEquals([deadBytes, deadRecords, tombstoneBytes], [42, 2, 50]);
});

Deno.test("SegmentTable.add() refuses more than 16384 segments, and takes one again after drop()", () => {
  const segments = table();
  for (let id = 1; id <= MAX_SEGMENTS; id++) segments.add(id, id);
  assertThrows(
    () => segments.add(MAX_SEGMENTS + 1, 16),
    Error,
    "Cannot add a segment: the store has 16384 already",
  );
  // Appends leave some to compaction.
  for (let id = 6; id <= 68; id++) segments.drop(id);
  assertThrows(
    () => segments.add(MAX_SEGMENTS + 1, 16, { spare: false }),
    Error,
    "Cannot add a segment: the store has 16320 already",
  );
  for (let id = 6; id <= 68; id++) segments.add(id, id);
  segments.drop(5);
  segments.add(MAX_SEGMENTS + 1, 16);
  assertEquals(segments.get(MAX_SEGMENTS + 1).sizeBytes, 16);
  assertEquals(segments.get(MAX_SEGMENTS).sizeBytes, MAX_SEGMENTS);
  assertEquals(segments.has(5), false);
  assertEquals(segments.list().length, MAX_SEGMENTS);
});

Deno.test("SegmentTable agrees with a Map under any adds and drops", () => {
  // Few ids that collide in the table, since they are equal modulo its size, in
  // its first rows and its last.
  const id = fc.tuple(
    fc.integer({ min: -2, max: 4 }),
    fc.integer({ min: 1, max: 4 }),
  )
    .map(([low, wraps]) => low + wraps * MAX_SEGMENTS);
  const change = fc.tuple(fc.constantFrom("add", "drop", "dead"), id);
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const segments = table();
      const model = new Map<number, number>();
      for (const [what, id] of changes) {
        if (what === "add" && !model.has(id)) {
          segments.add(id, 16);
          model.set(id, 0);
        } else if (what === "drop" && model.delete(id)) {
          segments.drop(id);
        } else if (what === "dead" && model.has(id)) {
          segments.addDead(id, 10);
          model.set(id, model.get(id)! + 10);
        }
        assertEquals(segments.has(id), model.has(id));
      }
      assertEquals(
        segments.list().map(({ id, deadBytes }) => [id, deadBytes]),
        [...model].sort(([a], [b]) => a - b),
      );
      assertEquals(segments.totals(), {
        segments: model.size,
        sizeBytes: 16 * model.size,
        deadBytes: [...model.values()].reduce((sum, bytes) => sum + bytes, 0),
      });
    }),
    { numRuns: 50 },
  );
});

Deno.test("SegmentTable.totals() adds segments up, and counts tombstones as dead", () => {
  const segments = table();
  assertEquals(segments.totals(), { segments: 0, sizeBytes: 0, deadBytes: 0 });
  for (const id of [1, 2, 3]) {
    segments.add(id, 1_000 * id);
    segments.addDead(id, 100 * id);
    segments.addTombstones(id, 10 * id);
  }
  segments.drop(2);
  assertEquals(segments.totals(), {
    segments: 2,
    sizeBytes: 4_000,
    deadBytes: 440,
  });
});
