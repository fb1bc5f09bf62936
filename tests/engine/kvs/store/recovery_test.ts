import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { writeAll } from "../../../../engine/files.ts";
import { IndexFullError } from "../../../../engine/kvs/index/arena.ts";
import { checkStore, repairStore } from "../../../../engine/kvs/store/check.ts";
import { candidates } from "../../../../engine/kvs/store/compaction.ts";
import { hintPath, writeHint } from "../../../../engine/kvs/log/hint.ts";
import { ReadOnlyStore } from "../../../../engine/kvs/store/read_only_store.ts";
import {
  encodeRecord,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import {
  CorruptionError,
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
} from "../../../../engine/kvs/index/checkpoint.ts";
import { FaultyDisk } from "../_fault_injection.ts";
import { bytes, copyDirectory, filesOf, TempDirectory } from "../_helpers.ts";
import { type KeyValue, TempLog, TestLog } from "../_test_log.ts";

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

function entriesOf(log: TestLog): [string, string][] {
  return [...log.entries()];
}

/** Everything that an opening found out. */
function stateOf(log: TestLog): unknown {
  return {
    entries: entriesOf(log),
    sequence: log.control.sequence,
    active: log.control.activeSegment,
    segments: log.control.segments.list(),
  };
}

Deno.test("recover() makes an empty index of an empty directory", () => {
  using log = new TempLog();
  assertEquals(log.index.size, 0);
  assertEquals(log.control.activeSegment, 0);
  assertEquals(log.control.sequence, 0);
  assertEquals(log.damage, []);
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
        using log = new TestLog(directory.path);
        assertEquals(entriesOf(log), [["a", "3"], ["c", "7"]]);
        assertEquals(log.control.sequence, 7);
        assertEquals(log.damage, []);
        log.assertConsistent();
        // File ids start behind what is there.
        assertEquals(log.control.nextFileId(), 13);
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
  using log = new TestLog(directory.path);
  assertEquals(entriesOf(log), [["a", "1"]]);
  log.assertConsistent();
  const [first, second] = log.control.segments.list();
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
    using log = new TestLog(directory.path, TINY);
    assertEquals(log.control.activeSegment, appends ? 2 : 0);
    assertEquals(log.control.segments.flags(1), SEALED);
    assertEquals(log.control.segments.flags(2), appends ? flags : SEALED);
    log.write(["c", "3"]);
    assertEquals(log.ids, appends ? [1, 2] : [1, 2, 3]);
    using again = new TestLog(directory.path, TINY);
    assertEquals(again.index.size, 3);
    assertEquals(again.control.sequence, 3);
  }
});

Deno.test("recover() appends to no segment with a hint file, nor to a damaged one", () => {
  using log = new TempLog(TINY);
  log.write(["a", "1"], ["a", "2"]);
  log.compact();
  // The newest segment is sealed and has its hint now.
  assertEquals(filesOf(log.directory, ".hint").length, 1);
  const hinted = Math.max(...log.ids);
  using again = new TestLog(log.directory, TINY);
  assert(again.control.activeSegment !== hinted);
  again.write(["b", "2"], ["c", "3"]);
  const newest = Math.max(...again.ids);
  assert(newest > hinted);
  const path = segmentPath(log.directory, newest);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  using last = new TestLog(log.directory, TINY);
  assertEquals(last.damage.length, 1);
  assert(last.control.segments.flags(newest) & DAMAGED);
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
    using log = new TestLog(directory.path);
    assertEquals(log.ids, [1]);
    assertEquals(
      log.damage.map(({ length, reason }) => ({ length, reason })),
      size === 0 ? [] : [{
        length: size,
        reason: "unfinished write at the end was cut off",
      }],
    );
    log.assertConsistent();
    log.write(["b", "2"]);
    assertEquals(log.ids.includes(2), false);
    using again = new TestLog(directory.path);
    assertEquals(again.damage, []);
    assertEquals(entriesOf(again), [["a", "1"], ["b", "2"]]);
  }
});

Deno.test("recover() cuts an unfinished write off and appends in its place", () => {
  using directory = new TempDirectory();
  writeSegment(directory.path, 1, [["a", "1", 1], ["b", "2", 2]]);
  const path = segmentPath(directory.path, 1);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  using log = new TestLog(directory.path);
  assertEquals(log.damage, [{
    path,
    offset: 38,
    length: 21,
    reason: "unfinished write at the end was cut off",
  }]);
  log.write(["c", "3"]);
  assertEquals(log.records(), [["1 a=1", "2 c=3"]]);
  using again = new TestLog(directory.path);
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
  using log = new TestLog(directory.path);
  assertEquals(log.damage, [{
    path,
    offset: 16,
    length: 24,
    reason: "record does not match its checksum",
  }]);
  assertThrows(() => log.get("a"), CorruptionError);
  assertEquals([log.get("b"), log.get("c")], ["2", "4"]);
  // Until the key is written again.
  log.write(["a", "newer"]);
  assertEquals(log.get("a"), "newer");
  using again = new TestLog(directory.path);
  assertEquals(again.get("a"), "newer");
});

/** Flips a bit of a record that lies at an offset of a segment. */
function flip(path: string, at: number, mask = 1): void {
  const content = Deno.readFileSync(path);
  content[at] ^= mask;
  Deno.writeFileSync(path, content);
}

/** What is read of a key; `null` where it can't be. */
function readOf(log: TestLog, key: string): string | undefined | null {
  try {
    return log.get(key);
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
      using log = new TestLog(path);
      assertEquals(log.damage.length, 1);
      // All that is known is that there was something newer, of some key.
      assertEquals([readOf(log, "key1"), readOf(log, "key3")], ["old", null]);
      // What it hides counts as live, so nothing is to be gained by it.
      const [{ deadBytes }] = log.control.segments.list();
      if (opening === 0) assertEquals(deadBytes, removed ? 28 : 0);
      log.compact();
      const records = log.records().flat();
      for (const record of live) {
        assert(records.includes(record), `${record}: ${records}`);
      }
    }
    assertEquals(repairStore(path, checkStore(path)).length, 1);
    using log = new TestLog(path);
    assertEquals(log.damage, []);
    assertEquals(
      [readOf(log, "key1"), readOf(log, "key3")],
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
  using log = new TestLog(path);
  log.compact();
  assert(log.control.segments.flags(1) & HELD);
  assertEquals(candidates(log.control, "all"), []);
  assert(log.records()[0].includes("1 a=1"));
  // Until the next opening; what was copied by then is not copied again.
  using again = new TestLog(path);
  again.compact();
  assertEquals(again.ids.length, log.ids.length);
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
  using log = new TestLog(path);
  log.compact();
  const both = log.records().find((records) =>
    records.filter((record) => record === "4 -b").length === 2
  );
  assert(both !== undefined, `${log.records().join("; ")}`);
  using again = new TestLog(path);
  assertEquals(again.damage, log.damage);
  assertEquals(log.damage.length, 1);
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
      using log = new TestLog(path);
      assertEquals(log.damage.length, 1);
      assertEquals([readOf(log, "k"), readOf(log, "l")], [value, "other"]);
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
      using first = new TestLog(path, TINY);
      assertEquals(readOf(first, "k"), null);
      first.write(["k", "2nd"]);
      if (removed) first.write(["k"]);
      for (let n = 0; n < 1_100; n++) first.write(["n", `${n}`]);
      const expected = removed ? undefined : "2nd";
      for (let opening = 0; opening < 2; opening++) {
        using log = new TestLog(path, TINY);
        assertEquals(log.damage.length, 1);
        assertEquals(readOf(log, "k"), expected);
        log.compact();
      }
      repairStore(path, checkStore(path));
      using last = new TestLog(path, TINY);
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
        using log = new TestLog(directory.path);
        assertEquals(readOf(log, "admin"), before?.[1]);
        assertEquals(readOf(log, "mine"), undefined);
        // It might be a record all the same, so it is not cut off.
        assertEquals(log.damage.map(({ offset }) => offset), [start]);
        assertEquals(log.write(["x", "y"]), [true]);
        assertEquals(log.control.sequence, (before?.[2] ?? 0) + 1 + opening);
      }
      repairStore(directory.path, checkStore(directory.path));
      using log = new TestLog(directory.path);
      assertEquals(readOf(log, "admin"), before?.[1]);
      assertEquals(log.damage, []);
    }
  }
});

Deno.test("recover() removes a checkpoint that it can't use, before the log grows again", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  using log = new TestLog(path);
  for (let n = 0; n < 20; n++) log.write([`k${n}`, "x".repeat(100)]);
  writeCheckpoint(path, log.control, log.index);
  const segment = segmentPath(path, 1);
  const { size } = Deno.statSync(segment);
  Deno.truncateSync(segment, 1_000);
  // One who only reads must not.
  {
    Deno.writeTextFileSync(`${path}/ENGINE`, "kvs 1\n");
    using _reader = ReadOnlyStore.open(path, { onDamage: () => {} });
    assert(hasCheckpoint(path));
  }
  using shorter = new TestLog(path);
  assertFalse(hasCheckpoint(path));
  assertEquals(shorter.damage.map(({ reason }) => reason), [
    "segment is shorter than the index checkpoint says",
    "unfinished write at the end was cut off",
  ]);
  for (let n = 0; n < 20; n++) shorter.write([`n${n}`, "y".repeat(100)]);
  shorter.write(["k3", "newer"], ["k4"]);
  assert(Deno.statSync(segment).size > size);
  using again = new TestLog(path);
  assertEquals(again.entries(), shorter.entries());
  again.assertConsistent();
});

Deno.test("recover() reports damage at each opening, with a checkpoint too", () => {
  using directory = new TempDirectory();
  const { path } = directory;
  writeSegment(path, 1, [["a", "1", 1], ["a", "2", 2], ["b", "3", 3]]);
  flip(segmentPath(path, 1), 16 + 22);
  using first = new TestLog(path);
  assertEquals(first.damage.length, 1);
  assertEquals(readOf(first, "a"), null);
  writeCheckpoint(path, first.control, first.index);
  using second = new TestLog(path);
  assertEquals(second.damage, first.damage);
  assertEquals(readOf(second, "a"), null);
});

Deno.test("recover() makes a damaged hint file anew", () => {
  using log = fullLog();
  const { directory } = log;
  const [name] = filesOf(directory, ".hint");
  const sound = Deno.readFileSync(`${directory}/${name}`);
  flip(`${directory}/${name}`, 30);
  using again = new TestLog(directory, TINY);
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
    using log = new TestLog(path);
    assertEquals(log.damage, [{
      path: segment,
      offset: left,
      length: size - left,
      reason: "segment is shorter than its hint file says",
    }]);
    if (left === 0) continue;
    log.compact();
    for (const checkpoint of [false, true]) {
      using again = new TestLog(path);
      assertEquals(again.damage, log.damage);
      assertEquals(readOf(again, "b"), "2");
      if (!checkpoint) writeCheckpoint(path, again.control, again.index);
    }
    repairStore(path, checkStore(path));
    using repaired = new TestLog(path);
    assertEquals(repaired.damage, []);
    assertEquals(readOf(repaired, "b"), "2");
  }
});

Deno.test("recover() reports a segment cut where an older checkpoint ends, or after that", () => {
  for (const cut of [0, 1]) {
    using log = new TempLog();
    log.write(["a", "1"], ["b", "2"]);
    writeCheckpoint(log.directory, log.control, log.index);
    const ends = [log.control.activeSize];
    log.write(["b", "3"]);
    ends.push(log.control.activeSize);
    log.write(["b", "4"]);
    const path = segmentPath(log.directory, 1);
    const { size } = Deno.statSync(path);
    assert(writeHint(log.directory, 1));
    Deno.truncateSync(path, ends[cut]);
    using again = new TestLog(log.directory);
    assertEquals(again.damage, [{
      path,
      offset: ends[cut],
      length: size - ends[cut],
      reason: "segment is shorter than its hint file says",
    }]);
  }
});

/** A log with sealed segments, hints, removed keys and a checkpoint. */
function fullLog(): TempLog {
  const log = new TempLog(TINY);
  const write = (from: number, to: number, round: number) => {
    for (let n = from; n < to; n++) {
      log.write([`key ${n}`, `${round}.${n} ${"x".repeat(200)}`]);
    }
  };
  write(0, 80, 1);
  log.write(["key 3"], ["key 7"]);
  log.compact();
  write(10, 30, 2);
  log.write(["key 11"], ["key 55"]);
  return log;
}

Deno.test("recover() finds the same with hints and checkpoint as from the log alone", () => {
  using log = fullLog();
  const expected = entriesOf(log);
  for (const checkpoint of [false, true]) {
    if (checkpoint) writeCheckpoint(log.directory, log.control, log.index);
    for (const more of [false, true]) {
      using copy = new TempDirectory();
      copyDirectory(log.directory, copy.path);
      if (more) {
        using first = new TestLog(copy.path, TINY);
        first.write(["key 3", "again"], ["key 0"], ["key 20", "newest"]);
        for (let n = 60; n < 90; n++) first.write([`key ${n}`, "new"]);
        if (!checkpoint) first.compact();
      }
      using fast = new TestLog(copy.path, TINY);
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
      using slow = new TestLog(copy.path, TINY);
      assertEquals(stateOf(slow), state);
    }
  }
});

Deno.test("recover() makes nothing of a hint file that is not of its segment", () => {
  using log = fullLog();
  const expected = entriesOf(log);
  const [first, second] = filesOf(log.directory, ".hint");
  const { directory } = log;
  Deno.copyFileSync(`${directory}/${second}`, `${directory}/${first}`);
  using again = new TestLog(directory, TINY);
  assertEquals(entriesOf(again), expected);
  again.assertConsistent();
});

Deno.test("recover() makes nothing of a checkpoint with a segment that is gone or shorter", () => {
  for (const harm of ["gone", "shorter"]) {
    using log = new TempLog(TINY);
    for (let n = 0; n < 40; n++) log.write([`${n}`, "x".repeat(200)]);
    writeCheckpoint(log.directory, log.control, log.index);
    const [first, second] = log.ids;
    const path = segmentPath(log.directory, second);
    if (harm === "gone") Deno.removeSync(path);
    else Deno.truncateSync(path, 2_000);
    using again = new TestLog(log.directory, TINY);
    again.assertConsistent();
    assert(again.index.size < 40);
    assert(again.index.size > 20);
    assertEquals(again.ids.includes(first), true);
  }
});

Deno.test("recover() replays what was appended since the checkpoint, and no more", () => {
  using log = new TempLog();
  log.write(["a", "1"], ["b", "2"], ["c", "3"]);
  writeCheckpoint(log.directory, log.control, log.index);
  log.write(["b", "4"], ["c"], ["d", "5"]);
  using again = new TestLog(log.directory);
  assertEquals(entriesOf(again), [["a", "1"], ["b", "4"], ["d", "5"]]);
  again.assertConsistent();
  assertEquals(again.control.sequence, 6);
  // Records that the checkpoint covers are not read: damage there is found by
  // those who read or check them.
  const path = segmentPath(log.directory, 1);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  using last = new TestLog(log.directory);
  assertEquals(last.damage, []);
  assertThrows(() => last.get("a"), CorruptionError);
});

Deno.test("recover() opens any store that fitted in its index before", () => {
  const options = { ...TINY, segmentBytes: 2 ** 16, indexBytes: 2 ** 18 };
  using log = new TempLog(options);
  let rounds = 0;
  // Each round fills the index with other keys, so all of them together would
  // not fit.
  for (; rounds < 4; rounds++) {
    let n = 0;
    while (log.write([`${rounds} ${n}`, "v"])[0] === true) n++;
    assert(n > 2_000, `${n} keys in round ${rounds}`);
    if (rounds === 3) break;
    const removals = Array.from(
      { length: n },
      (_, i): KeyValue => [`${rounds} ${i}`],
    );
    assert(log.write(...removals).every((outcome) => outcome === true));
  }
  using again = new TestLog(log.directory, options);
  assertEquals(again.entries(), log.entries());
  again.assertConsistent();
});

Deno.test("recover() says so where the keys do not fit in the index", () => {
  using log = new TempLog({ indexBytes: 2 ** 20 });
  for (let n = 0; n < 10_000; n++) log.write([`key ${n}`, "v"]);
  const error = assertThrows(
    () => new TestLog(log.directory, { indexBytes: 2 ** 18 }),
    IndexFullError,
  );
  assert(error.message.includes("open the store with a larger index"));
});

Deno.test("recover() makes durable what it found, before anybody builds on it", async () => {
  for (const hinted of [false, true]) {
    using directory = new TempDirectory();
    using disk = new FaultyDisk(directory.path);
    const log = new TestLog(directory.path, TINY);
    log.write(["k", "1"], ["fills", "x".repeat(4_030)]);
    await log.sync();
    // Not synced, so not acknowledged: in a segment that is full and another,
    // and after that the process is killed.
    log.write(["k", "2"], ["fills too", "x".repeat(4_030)], ["last", "3"]);
    if (hinted) log.compact("worthwhile");
    assertEquals(filesOf(directory.path, ".hint").length, hinted ? 3 : 0);
    log[Symbol.dispose]();
    using again = new TestLog(directory.path, TINY);
    assertEquals(again.get("k"), "2");
    // Compaction drops the first value for the second.
    again.compact();
    using copy = new TempDirectory();
    disk.copy("power", copy.path);
    using left = new TestLog(copy.path, TINY);
    assertEquals(left.get("k"), "2");
  }
});

Deno.test("recover() does not read a hint file for the segment that is being written", () => {
  using log = fullLog();
  // A hint of the active segment can be there: it was sealed, and a hint was
  // written, in a process whose table was lost.
  const active = log.control.activeSegment;
  Deno.writeFileSync(hintPath(log.directory, active), new Uint8Array(30));
  const expected = entriesOf(log);
  using again = new TestLog(log.directory, TINY);
  assertEquals(entriesOf(again), expected);
  assert(again.control.activeSegment !== active);
  again.write(["new", "1"]);
  assertEquals(again.get("new"), "1");
});
