import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { writeAll } from "../../../../engine/files.ts";
import { CorruptionError, IndexFullError } from "../../../../engine/errors.ts";
import { checkStore, repairStore } from "../../../../engine/kvs/store/check.ts";
import { candidates } from "../../../../engine/kvs/store/compaction.ts";
import { hintPath, writeHint } from "../../../../engine/kvs/log/hint.ts";
import { ReadOnlyStore } from "../../../../engine/kvs/store/read_only_store.ts";
import {
  encodeRecord,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import {
  createSegment,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import {
  DAMAGED,
  HELD,
  SEALED,
} from "../../../../engine/kvs/log/segment_table.ts";
import {
  hasCheckpoint,
  writeCheckpoint,
} from "../../../../engine/kvs/store/checkpoint.ts";
import { FaultyDisk } from "../_fault_injection.ts";
import { bytes, copyDirectory, filesOf, TempDirectory } from "../_helpers.ts";
import { type KeyValue, TempStore, TestStore } from "../_test_store.ts";

const TINY = { segmentBytes: 4_096 };

/** A record of a test: key, value (a tombstone without), sequence number. */
type Written = readonly [key: string, value: string | undefined, seq: number];

function writeSegment(
  directory: string,
  id: number,
  records: readonly Written[],
): void {
  using file = createSegment(directory, id);
  for (const [key, value, sequence] of records) {
    const valueBytes = value === undefined ? undefined : bytes(value);
    const keyBytes = bytes(key);
    const length = recordLength(keyBytes.length, valueBytes?.length ?? 0);
    const record = new Uint8Array(length);
    encodeRecord(record, 0, sequence, keyBytes, valueBytes);
    writeAll(file, record);
  }
}

function entriesOf(store: TestStore): [string, string][] {
  return [...store.entries()];
}

/** Everything that an opening found out. */
function stateOf(store: TestStore): unknown {
  return {
    entries: entriesOf(store),
    sequence: store.log.sequence,
    active: store.log.segments.active,
    segments: store.log.segments.list(),
  };
}

Deno.test("recover() makes an empty index of an empty directory", () => {
  using store = new TempStore();
  assertEquals(store.index.size, 0);
  assertEquals(store.log.segments.active, 0);
  assertEquals(store.log.sequence, 0);
  assertEquals(store.damage, []);
});

Deno.test("recover() takes of a key the record with the greatest sequence number", () => {
  const records: Written[] = [
    ["a", "1", 1],
    ["b", "2", 2],
    ["a", "3", 3],
    ["b", undefined, 4],
    ["c", "5", 5],
    ["c", undefined, 6],
    ["c", "7", 7],
  ];
  fc.assert(
    fc.property(
      fc.shuffledSubarray(records, { minLength: records.length }),
      fc.nat(6),
      (shuffled, cut) => {
        using directory = new TempDirectory();
        writeSegment(directory.path, 3, shuffled.slice(0, cut));
        writeSegment(directory.path, 12, shuffled.slice(cut));
        using store = new TestStore(directory.path);
        assertEquals(entriesOf(store), [["a", "3"], ["c", "7"]]);
        assertEquals(store.log.sequence, 7);
        assertEquals(store.damage, []);
        store.assertConsistent();
        // File ids start behind what is there.
        assertEquals(store.log.beginCopies(), 13);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("recover() counts the original of a copied record as dead", () => {
  // As a compaction leaves it that was interrupted before the removal.
  const records: Written[] = [["a", "1", 2], ["b", undefined, 3]];
  using directory = new TempDirectory();
  writeSegment(directory.path, 1, [["b", "0", 1], ...records]);
  writeSegment(directory.path, 2, records);
  using store = new TestStore(directory.path);
  assertEquals(entriesOf(store), [["a", "1"]]);
  store.assertConsistent();
  const [first, second] = store.log.segments.list();
  assertEquals([first.deadRecords, second.deadRecords], [2, 0]);
});

Deno.test("recover() appends to the newest segment, if it has room", () => {
  for (
    const [length, flags, appends] of [
      [100, 0, true],
      [4_100, 0, false],
    ] as const
  ) {
    using directory = new TempDirectory();
    writeSegment(directory.path, 1, [["a", "1", 1]]);
    writeSegment(directory.path, 2, [["b", "x".repeat(length), 2]]);
    using store = new TestStore(directory.path, TINY);
    assertEquals(store.log.segments.active, appends ? 2 : 0);
    assertEquals(store.log.segments.flags(1), SEALED);
    assertEquals(store.log.segments.flags(2), appends ? flags : SEALED);
    store.write(["c", "3"]);
    assertEquals(store.ids, appends ? [1, 2] : [1, 2, 3]);
    using again = new TestStore(directory.path, TINY);
    assertEquals(again.index.size, 3);
    assertEquals(again.log.sequence, 3);
  }
});

Deno.test("recover() appends to no segment with a hint file, nor to a damaged one", () => {
  using store = new TempStore(TINY);
  store.write(["a", "1"], ["a", "2"]);
  store.compact();
  // The newest segment is sealed and has its hint now.
  assertEquals(filesOf(store.directory, ".hint").length, 1);
  const hinted = Math.max(...store.ids);
  using again = new TestStore(store.directory, TINY);
  assert(again.log.segments.active !== hinted);
  again.write(["b", "2"], ["c", "3"]);
  const newest = Math.max(...again.ids);
  assert(newest > hinted);
  const path = segmentPath(store.directory, newest);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  using last = new TestStore(store.directory, TINY);
  assertEquals(last.damage.length, 1);
  assert(last.log.segments.flags(newest) & DAMAGED);
  last.write(["d", "4"]);
  assertEquals(Deno.readFileSync(path), content);
  assertEquals(last.get("d"), "4");
});

Deno.test("recover() removes a segment whose header was not finished", () => {
  for (const size of [0, 1, 15]) {
    using directory = new TempDirectory();
    writeSegment(directory.path, 1, [["a", "1", 1]]);
    writeSegment(directory.path, 2, []);
    Deno.truncateSync(segmentPath(directory.path, 2), size);
    using store = new TestStore(directory.path);
    assertEquals(store.ids, [1]);
    assertEquals(
      store.damage.map(({ length, reason }) => ({ length, reason })),
      size === 0 ? [] : [{
        length: size,
        reason: "unfinished write at the end was cut off",
      }],
    );
    store.assertConsistent();
    store.write(["b", "2"]);
    assertEquals(store.ids.includes(2), false);
    using again = new TestStore(directory.path);
    assertEquals(again.damage, []);
    assertEquals(entriesOf(again), [["a", "1"], ["b", "2"]]);
  }
});

Deno.test("recover() cuts an unfinished write off and appends in its place", () => {
  using directory = new TempDirectory();
  writeSegment(directory.path, 1, [["a", "1", 1], ["b", "2", 2]]);
  const path = segmentPath(directory.path, 1);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  using store = new TestStore(directory.path);
  assertEquals(store.damage, [{
    path,
    offset: 38,
    length: 21,
    reason: "unfinished write at the end was cut off",
  }]);
  store.write(["c", "3"]);
  assertEquals(store.records(), [["1 a=1", "2 c=3"]]);
  using again = new TestStore(directory.path);
  assertEquals(again.damage, []);
  assertEquals(entriesOf(again), [["a", "1"], ["c", "3"]]);
});

Deno.test("recover() lets a damaged record hide its key's older value", () => {
  using directory = new TempDirectory();
  writeSegment(directory.path, 1, [["a", "old", 1], ["b", "2", 2]]);
  writeSegment(directory.path, 2, [["a", "new", 3], ["c", "4", 4]]);
  const path = segmentPath(directory.path, 2);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  using store = new TestStore(directory.path);
  assertEquals(store.damage, [{
    path,
    offset: 16,
    length: 24,
    reason: "record does not match its checksum",
  }]);
  assertThrows(() => store.get("a"), CorruptionError);
  assertEquals([store.get("b"), store.get("c")], ["2", "4"]);
  // Until the key is written again.
  store.write(["a", "newer"]);
  assertEquals(store.get("a"), "newer");
  using again = new TestStore(directory.path);
  assertEquals(again.get("a"), "newer");
});

/** Flips a bit of a record that lies at an offset of a segment. */
function flip(path: string, at: number, mask = 1): void {
  const content = Deno.readFileSync(path);
  content[at] ^= mask;
  Deno.writeFileSync(path, content);
}

/** What is read of a key; `null` where it can't be. */
function readOf(store: TestStore, key: string): string | undefined | null {
  try {
    return store.get(key);
  } catch (error) {
    if (error instanceof CorruptionError) return null;
    throw error;
  }
}

/** Where the key of a segment's first record begins. */
const FIRST_KEY = 16 + 20;

Deno.test("recover() lets a record with a damaged key hide another key's value, and lose none", () => {
  for (const removed of [false, true]) {
    using directory = new TempDirectory();
    const { path } = directory;
    writeSegment(path, 1, [["key1", "old", 1], ["key3", "only", 2]]);
    const last: Written[] = removed ? [["key3", undefined, 3]] : [];
    writeSegment(path, 2, [["f", "x", 1], ...last, ["f", "y", 4]]);
    writeSegment(path, 3, [["key1", "new", 5], ["f", "z", 6]]);
    // From now on it says key3.
    flip(segmentPath(path, 3), FIRST_KEY + 3, 2);
    const live = ["1 key1=old", removed ? "3 -key3" : "2 key3=only"];
    for (let opening = 0; opening < 3; opening++) {
      using store = new TestStore(path);
      assertEquals(store.damage.length, 1);
      // All that is known is that there was something newer, of some key.
      assertEquals([readOf(store, "key1"), readOf(store, "key3")], [
        "old",
        null,
      ]);
      // What it hides counts as live, so nothing is to be gained by it.
      const [{ deadBytes }] = store.log.segments.list();
      if (opening === 0) assertEquals(deadBytes, removed ? 28 : 0);
      store.compact();
      const records = store.records().flat();
      for (const record of live) {
        assert(records.includes(record), `${record}: ${records}`);
      }
    }
    assertEquals(repairStore(path, checkStore(path)).length, 1);
    using store = new TestStore(path);
    assertEquals(store.damage, []);
    assertEquals(
      [readOf(store, "key1"), readOf(store, "key3")],
      ["old", removed ? undefined : "only"],
    );
  }
});

Deno.test("compact() leaves a segment alone that holds what an unsound record hides", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  const records: Written[] = [["a", "1", 1], ["b", "2", 2], ["c", "3", 3]];
  writeSegment(path, 1, records);
  writeSegment(path, 2, [["c", "4", 4], ["a", "5", 5], ["d", "6", 6]]);
  flip(segmentPath(path, 2), FIRST_KEY + 22 + 1);
  using store = new TestStore(path);
  store.compact();
  assert(store.log.segments.flags(1) & HELD);
  assertEquals(candidates(store.log.list(), "all"), []);
  assert(store.records()[0].includes("1 a=1"));
  // Until the next opening; what was copied by then is not copied again.
  using again = new TestStore(path);
  again.compact();
  assertEquals(again.ids.length, store.ids.length);
  assert(again.records()[0].includes("1 a=1"));
});

Deno.test("recover() takes two copies of a tombstone in one file for no damage", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  // The second segment was being copied to the third as the process died. The
  // unsound record is what keeps the tombstones.
  writeSegment(path, 1, [["x", "1", 1], ["y", "1", 2]]);
  flip(segmentPath(path, 1), FIRST_KEY + 1);
  const copied: Written[] = [["b", undefined, 4], ["f", "1", 5]];
  writeSegment(path, 2, [["x", "2", 3], ...copied]);
  writeSegment(path, 3, [...copied, ["g", "1", 6]]);
  writeSegment(path, 4, [["g", "2", 7]]);
  using store = new TestStore(path);
  store.compact();
  const both = store.records().find((records) =>
    records.filter((record) => record === "4 -b").length === 2
  );
  assert(both !== undefined, `${store.records().join("; ")}`);
  using again = new TestStore(path);
  assertEquals(again.damage, store.damage);
  assertEquals(store.damage.length, 1);
});

Deno.test("recover() takes the sound one of two copies of a record, in whatever file it is", () => {
  for (const damaged of [1, 2]) {
    for (const kind of ["value", "tombstone"]) {
      using directory = new TempDirectory();
      const { path } = directory;
      const value = kind === "value" ? "value" : undefined;
      const records: Written[] = [["k", value, 2], ["l", "other", 3]];
      writeSegment(path, 1, [["k", "old", 1], ...records]);
      writeSegment(path, 2, records);
      const at = damaged === 1 ? 16 + 24 : 16;
      // Of the checksum.
      flip(segmentPath(path, damaged), at);
      using store = new TestStore(path);
      assertEquals(store.damage.length, 1);
      assertEquals([readOf(store, "k"), readOf(store, "l")], [value, "other"]);
    }
  }
});

Deno.test("recover() takes no record for newer because its sequence number is damaged", () => {
  // Between others, at the end, and alone in its segment.
  const places: [Written[], Written[]][] = [
    [[], [["f", "x", 2]]],
    [[["f", "x", 1]], []],
    [[], []],
  ];
  for (const [before, after] of places) {
    for (const removed of [false, true]) {
      using directory = new TempDirectory();
      const { path } = directory;
      const sequence = before.length + 1;
      writeSegment(path, 1, [...before, ["k", "1st", sequence], ...after]);
      // It says 1,025 or so.
      flip(segmentPath(path, 1), 16 + before.length * 22 + 4 + 1, 4);
      using first = new TestStore(path, TINY);
      assertEquals(readOf(first, "k"), null);
      first.write(["k", "2nd"]);
      if (removed) first.write(["k"]);
      for (let n = 0; n < 1_100; n++) first.write(["n", `${n}`]);
      const expected = removed ? undefined : "2nd";
      for (let opening = 0; opening < 2; opening++) {
        using store = new TestStore(path, TINY);
        assertEquals(store.damage.length, 1);
        assertEquals(readOf(store, "k"), expected);
        store.compact();
      }
      repairStore(path, checkStore(path));
      using last = new TestStore(path, TINY);
      assertEquals(readOf(last, "k"), expected);
    }
  }
});

Deno.test("recover() makes no record of what an unfinished value holds", () => {
  for (const sequence of [2 ** 48 - 1, 2 ** 46, 2_000, 1]) {
    for (const before of [["admin", "root", 1], undefined] as const) {
      using directory = new TempDirectory();
      const path = segmentPath(directory.path, 1);
      writeSegment(directory.path, 1, before === undefined ? [] : [before]);
      const start = Deno.statSync(path).size;
      const evil = new Uint8Array(recordLength(5, 4));
      encodeRecord(evil, 0, sequence, bytes("admin"), bytes("evil"));
      const value = new Uint8Array(10_000);
      value.set(evil, 1_000);
      const record = new Uint8Array(recordLength(4, value.length));
      encodeRecord(record, 0, 2, bytes("mine"), value);
      using file = Deno.openSync(path, { append: true });
      writeAll(file, record.subarray(0, 6_000));
      for (let opening = 0; opening < 2; opening++) {
        using store = new TestStore(directory.path);
        assertEquals(readOf(store, "admin"), before?.[1]);
        assertEquals(readOf(store, "mine"), undefined);
        // It might be a record all the same, so it is not cut off.
        assertEquals(store.damage.map(({ offset }) => offset), [start]);
        assertEquals(store.write(["x", "y"]), [true]);
        assertEquals(store.log.sequence, (before?.[2] ?? 0) + 1 + opening);
      }
      repairStore(directory.path, checkStore(directory.path));
      using store = new TestStore(directory.path);
      assertEquals(readOf(store, "admin"), before?.[1]);
      assertEquals(store.damage, []);
    }
  }
});

Deno.test("recover() removes a checkpoint that it can't use, before the log grows again", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  using store = new TestStore(path);
  for (let n = 0; n < 20; n++) store.write([`k${n}`, "x".repeat(100)]);
  writeCheckpoint(store.log, store.index);
  const segment = segmentPath(path, 1);
  const { size } = Deno.statSync(segment);
  Deno.truncateSync(segment, 1_000);
  // One who only reads must not.
  {
    Deno.writeTextFileSync(`${path}/ENGINE`, "kvs 1\n");
    using _reader = ReadOnlyStore.open(path, { onDamage: () => {} });
    assert(hasCheckpoint(path));
  }
  using shorter = new TestStore(path);
  assertFalse(hasCheckpoint(path));
  assertEquals(shorter.damage.map(({ reason }) => reason), [
    "segment is shorter than the index checkpoint says",
    "unfinished write at the end was cut off",
  ]);
  for (let n = 0; n < 20; n++) shorter.write([`n${n}`, "y".repeat(100)]);
  shorter.write(["k3", "newer"], ["k4"]);
  assert(Deno.statSync(segment).size > size);
  using again = new TestStore(path);
  assertEquals(again.entries(), shorter.entries());
  again.assertConsistent();
});

Deno.test("recover() reports damage at each opening, with a checkpoint too", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  writeSegment(path, 1, [["a", "1", 1], ["a", "2", 2], ["b", "3", 3]]);
  flip(segmentPath(path, 1), 16 + 22);
  using first = new TestStore(path);
  assertEquals(first.damage.length, 1);
  assertEquals(readOf(first, "a"), null);
  writeCheckpoint(first.log, first.index);
  using second = new TestStore(path);
  assertEquals(second.damage, first.damage);
  assertEquals(readOf(second, "a"), null);
});

Deno.test("recover() makes a damaged hint file anew", () => {
  using store = fullLog();
  const { directory } = store;
  const [name] = filesOf(directory, ".hint");
  const sound = Deno.readFileSync(`${directory}/${name}`);
  flip(`${directory}/${name}`, 30);
  using again = new TestStore(directory, TINY);
  assertEquals(again.damage, []);
  assertEquals(Deno.readFileSync(`${directory}/${name}`), sound);
  assertEquals(checkStore(directory).damage, []);
});

Deno.test("recover() reports a segment that is shorter than its hint file says, until it is repaired", () => {
  for (const left of [60, 0]) {
    using directory = new TempDirectory();
    const { path } = directory;
    writeSegment(path, 1, [["a", "1", 1], ["b", "2", 2], ["b", "3", 3]]);
    writeSegment(path, 2, [["c", "4", 4], ["c", "5", 5]]);
    assert(writeHint(path, 1));
    const segment = segmentPath(path, 1);
    const { size } = Deno.statSync(segment);
    Deno.truncateSync(segment, left);
    using store = new TestStore(path);
    assertEquals(store.damage, [{
      path: segment,
      offset: left,
      length: size - left,
      reason: "segment is shorter than its hint file says",
    }]);
    if (left === 0) continue;
    store.compact();
    for (const checkpoint of [false, true]) {
      using again = new TestStore(path);
      assertEquals(again.damage, store.damage);
      assertEquals(readOf(again, "b"), "2");
      if (!checkpoint) writeCheckpoint(again.log, again.index);
    }
    repairStore(path, checkStore(path));
    using repaired = new TestStore(path);
    assertEquals(repaired.damage, []);
    assertEquals(readOf(repaired, "b"), "2");
  }
});

Deno.test("recover() reports a segment cut where an older checkpoint ends, or after that", () => {
  for (const cut of [0, 1]) {
    using store = new TempStore();
    store.write(["a", "1"], ["b", "2"]);
    writeCheckpoint(store.log, store.index);
    const ends = [store.log.segments.activeSize];
    store.write(["b", "3"]);
    ends.push(store.log.segments.activeSize);
    store.write(["b", "4"]);
    const path = segmentPath(store.directory, 1);
    const { size } = Deno.statSync(path);
    assert(writeHint(store.directory, 1));
    Deno.truncateSync(path, ends[cut]);
    using again = new TestStore(store.directory);
    assertEquals(again.damage, [{
      path,
      offset: ends[cut],
      length: size - ends[cut],
      reason: "segment is shorter than its hint file says",
    }]);
  }
});

Deno.test("recover() removes a hint file without its segment, whose id may come again", () => {
  using store = new TempStore();
  store.write(["a", "1"]);
  Deno.writeTextFileSync(`${store.directory}/7.hint`, "of a removed segment");
  using again = new TestStore(store.directory);
  assertEquals(filesOf(store.directory, ".hint"), []);
  assertEquals(entriesOf(again), [["a", "1"]]);
});

/** A log with sealed segments, hints, removed keys and a checkpoint. */
function fullLog(): TempStore {
  const store = new TempStore(TINY);
  const write = (from: number, to: number, round: number) => {
    for (let n = from; n < to; n++) {
      store.write([`key ${n}`, `${round}.${n} ${"x".repeat(200)}`]);
    }
  };
  write(0, 80, 1);
  store.write(["key 3"], ["key 7"]);
  store.compact();
  write(10, 30, 2);
  store.write(["key 11"], ["key 55"]);
  return store;
}

Deno.test("recover() finds the same with hints and checkpoint as from the log alone", () => {
  using store = fullLog();
  const expected = entriesOf(store);
  for (const checkpoint of [false, true]) {
    if (checkpoint) {
      writeCheckpoint(store.log, store.index);
    }
    for (const more of [false, true]) {
      using copy = new TempDirectory();
      copyDirectory(store.directory, copy.path);
      if (more) {
        using first = new TestStore(copy.path, TINY);
        first.write(["key 3", "again"], ["key 0"], ["key 20", "newest"]);
        for (let n = 60; n < 90; n++) first.write([`key ${n}`, "new"]);
        if (!checkpoint) first.compact();
      }
      using fast = new TestStore(copy.path, TINY);
      fast.assertConsistent();
      if (!more) assertEquals(entriesOf(fast), expected);
      assertEquals(hasCheckpoint(copy.path), checkpoint);
      assert(filesOf(copy.path, ".hint").length > 0);
      const state = stateOf(fast);
      // The hint files stay: what has one is not appended to.
      for (const name of filesOf(copy.path, ".hint")) {
        Deno.truncateSync(`${copy.path}/${name}`, 10);
      }
      if (checkpoint) Deno.truncateSync(`${copy.path}/INDEX`, 100);
      using slow = new TestStore(copy.path, TINY);
      assertEquals(stateOf(slow), state);
    }
  }
});

Deno.test("recover() makes nothing of a hint file that is not of its segment", () => {
  using store = fullLog();
  const expected = entriesOf(store);
  const [first, second] = filesOf(store.directory, ".hint");
  const { directory } = store;
  Deno.copyFileSync(`${directory}/${second}`, `${directory}/${first}`);
  using again = new TestStore(directory, TINY);
  assertEquals(entriesOf(again), expected);
  again.assertConsistent();
});

Deno.test("recover() makes nothing of a checkpoint with a segment that is gone or shorter", () => {
  for (const harm of ["gone", "shorter"]) {
    using store = new TempStore(TINY);
    for (let n = 0; n < 40; n++) store.write([`${n}`, "x".repeat(200)]);
    writeCheckpoint(store.log, store.index);
    const [first, second] = store.ids;
    const path = segmentPath(store.directory, second);
    if (harm === "gone") Deno.removeSync(path);
    else Deno.truncateSync(path, 2_000);
    using again = new TestStore(store.directory, TINY);
    again.assertConsistent();
    assert(again.index.size < 40);
    assert(again.index.size > 20);
    assertEquals(again.ids.includes(first), true);
  }
});

Deno.test("recover() replays what was appended since the checkpoint, and no more", () => {
  using store = new TempStore();
  store.write(["a", "1"], ["b", "2"], ["c", "3"]);
  writeCheckpoint(store.log, store.index);
  store.write(["b", "4"], ["c"], ["d", "5"]);
  using again = new TestStore(store.directory);
  assertEquals(entriesOf(again), [["a", "1"], ["b", "4"], ["d", "5"]]);
  again.assertConsistent();
  assertEquals(again.log.sequence, 6);
  // Records that the checkpoint covers are not read: damage there is found by
  // those who read or check them.
  const path = segmentPath(store.directory, 1);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  using last = new TestStore(store.directory);
  assertEquals(last.damage, []);
  assertThrows(() => last.get("a"), CorruptionError);
});

Deno.test("recover() opens any store that fitted in its index before", () => {
  const options = { ...TINY, segmentBytes: 2 ** 16, indexBytes: 2 ** 18 };
  using store = new TempStore(options);
  let rounds = 0;
  // Each round fills the index with other keys, so all of them together would
  // not fit.
  for (; rounds < 4; rounds++) {
    let n = 0;
    while (store.write([`${rounds} ${n}`, "v"])[0] === true) n++;
    assert(n > 2_000, `${n} keys in round ${rounds}`);
    if (rounds === 3) break;
    const removals = Array.from(
      { length: n },
      (_, i): KeyValue => [`${rounds} ${i}`],
    );
    assert(store.write(...removals).every((outcome) => outcome === true));
  }
  using again = new TestStore(store.directory, options);
  assertEquals(again.entries(), store.entries());
  again.assertConsistent();
});

Deno.test("recover() says so where the keys do not fit in the index", () => {
  using store = new TempStore({ indexBytes: 2 ** 20 });
  for (let n = 0; n < 10_000; n++) store.write([`key ${n}`, "v"]);
  const error = assertThrows(
    () => new TestStore(store.directory, { indexBytes: 2 ** 18 }),
    IndexFullError,
  );
  assert(error.message.includes("open the store with a larger index"));
});

Deno.test("recover() makes durable what it found, before anybody builds on it", async () => {
  for (const hinted of [false, true]) {
    using directory = new TempDirectory();
    using disk = new FaultyDisk(directory.path);
    const store = new TestStore(directory.path, TINY);
    store.write(["k", "1"], ["fills", "x".repeat(4_030)]);
    await store.sync();
    // Not synced, so not acknowledged: in a segment that is full and another,
    // and after that the process is killed.
    store.write(["k", "2"], ["fills too", "x".repeat(4_030)], ["last", "3"]);
    if (hinted) store.compact("worthwhile");
    assertEquals(filesOf(directory.path, ".hint").length, hinted ? 3 : 0);
    store[Symbol.dispose]();
    using again = new TestStore(directory.path, TINY);
    assertEquals(again.get("k"), "2");
    // Compaction drops the first value for the second.
    again.compact();
    using copy = new TempDirectory();
    disk.copy("power", copy.path);
    using left = new TestStore(copy.path, TINY);
    assertEquals(left.get("k"), "2");
  }
});

Deno.test("recover() does not read a hint file for the segment that is being written", () => {
  using store = fullLog();
  // A hint of the active segment can be there: it was sealed, and a hint was
  // written, in a process whose table was lost.
  const active = store.log.segments.active;
  Deno.writeFileSync(hintPath(store.directory, active), new Uint8Array(30));
  const expected = entriesOf(store);
  using again = new TestStore(store.directory, TINY);
  assertEquals(entriesOf(again), expected);
  assert(again.log.segments.active !== active);
  again.write(["new", "1"]);
  assertEquals(again.get("new"), "1");
});
