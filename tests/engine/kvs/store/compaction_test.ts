import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { IndexFullError } from "../../../../engine/kvs/index/arena.ts";
import { candidates } from "../../../../engine/kvs/store/compaction.ts";
import { WritesRefusedError } from "../../../../engine/errors.ts";
import {
  CorruptionError,
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import { DAMAGED, HINTED } from "../../../../engine/kvs/log/segment_table.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import { FaultyDisk, InjectedFault } from "../_fault_injection.ts";
import {
  crashInCompaction,
  failInCompaction,
  fillLog,
  LARGE_RECORDS,
  quarter,
  SMALL_RECORDS,
  TINY,
  writeEach,
} from "../_compaction_crashes.ts";
import { copyDirectory, filesOf, Random, TempDirectory } from "../_helpers.ts";
import { Expectation, type KeyValue, TempLog, TestLog } from "../_test_log.ts";

/** Opens what is there again, as another process would. */
function reopened(log: TestLog): TestLog {
  const again = new TestLog(log.directory, TINY);
  assertEquals(again.damage, []);
  again.assertConsistent();
  return again;
}

Deno.test("compact() leaves what is live and nothing else", () => {
  using log = new TempLog(TINY);
  writeEach(log, [
    ...["a", "b", "c", "d", "e", "f", "g", "h"].map((key): KeyValue => [
      key,
      quarter(key),
    ]),
    ["b", quarter("b2")],
    ["c"],
    ["h", "h2"],
    ["h", "h3"],
  ]);
  const before = log.entries();
  const report = log.compact();
  assertEquals(log.entries(), before);
  assertEquals(log.records().flat().map((record) => record.slice(0, 4)), [
    "1 a=",
    "4 d=",
    "5 e=",
    "6 f=",
    "7 g=",
    "9 b=",
    "12 h",
  ]);
  log.assertConsistent();
  assert(report.bytesAfter < report.bytesBefore);
  const sizes = log.control.segments.list().map(({ sizeBytes }) => sizeBytes);
  assertEquals(report.bytesAfter, sizes.reduce((sum, size) => sum + size));
  using again = reopened(log);
  assertEquals(again.entries(), before);
});

Deno.test("compact() does nothing where there is nothing to give back", () => {
  using log = new TempLog(TINY);
  writeEach(log, [["a", quarter("a")], ["b", "b"]]);
  const { ids } = log;
  log.compact();
  assertEquals(log.ids, ids);
});

Deno.test("compact() leaves no file of an empty store behind", () => {
  using log = new TempLog(TINY);
  writeEach(log, [["a", "1"], ["a"]]);
  log.compact();
  log.compact();
  assertEquals(log.records().flat(), []);
  assertEquals(log.ids.length, 1);
  writeEach(log, [["a", "2"]]);
  assertEquals(log.get("a"), "2");
});

Deno.test("compact() keeps a tombstone while an older segment has a dead record", () => {
  using log = new TempLog(TINY);
  writeEach(log, [
    ["k", quarter("old")],
    ["a", quarter("a")],
    ["b", quarter("b")],
    ["c", quarter("c")],
    ["k"],
    ["d", quarter("d")],
    ["e", quarter("e")],
    ["f", quarter("f")],
    ["d", "d2"],
    ["e", "e2"],
    ["f", "f2"],
    ["g", quarter("g")],
    ["h", quarter("h")],
    ["i", quarter("i")],
  ]);
  // The second segment is more than half dead, the first with `k` is not.
  const [first, second] = log.ids;
  assertEquals(
    candidates(log.control, "worthwhile").map(({ id }) => id),
    [second],
  );
  log.compact("worthwhile");
  assert(log.ids.includes(first) && !log.ids.includes(second));
  assert(log.records().flat().includes("5 -k"));
  using again = reopened(log);
  assertEquals(again.get("k"), undefined);
  // Once the dead record is gone, so may the tombstone.
  log.compact();
  log.compact();
  assertEquals(log.records().flat().filter((r) => r.includes("-k")), []);
  using last = reopened(log);
  assertEquals(last.get("k"), undefined);
});

Deno.test("candidates() takes the segments with the most to give back first", () => {
  using log = new TempLog(TINY);
  const keys = [..."abcdefghijkl"];
  writeEach(log, keys.map((key) => [key, quarter(key)]));
  writeEach(log, [..."abcefgijkl"].map((key) => [key, "new"]));
  const [first, second, third] = log.ids;
  const ids = (scope: "all" | "worthwhile", among?: ReadonlySet<number>) =>
    candidates(log.control, scope, among).map(({ id }) => id);
  assertEquals(ids("worthwhile"), [third, first, second]);
  assertEquals(ids("all"), [first, second, third]);
  assertEquals(ids("all", new Set([third, first])), [first, third]);
  log.control.segments.setFlags(first, DAMAGED);
  assertEquals(ids("all"), [second, third]);
});

Deno.test("compact() loses no write that comes between a copy and its move", () => {
  for (let at = 1; at <= 12; at++) {
    for (const write of [["a", "new"], ["a"]] as const) {
      using log = new TempLog(TINY);
      using _disk = new FaultyDisk(log.directory);
      writeEach(log, [
        ["x", quarter("x")],
        ["a", quarter("a")],
        ["b", quarter("b")],
        ["c", quarter("c")],
        ["x", "x2"],
      ]);
      let records = 0;
      log.compact("all", () => {
        if (++records === at) writeEach(log, [write]);
      });
      if (records < at) {
        assert(at > 4);
        break;
      }
      assertEquals(log.get("a"), write[1]);
      log.assertConsistent();
      using again = reopened(log);
      assertEquals(again.get("a"), write[1]);
      log.compact();
      log.compact();
      assertEquals(log.get("a"), write[1]);
      using last = reopened(log);
      assertEquals(last.get("a"), write[1]);
    }
  }
});

Deno.test("compact() copies records of any size, and makes as many segments as it needs", () => {
  using log = new TempLog({ segmentBytes: 2 ** 20 });
  const large = "x".repeat(2 ** 19);
  const huge = "y".repeat(3 * 2 ** 20);
  writeEach(log, [
    ["a", large],
    ["b", "small"],
    ["gone", "x"],
    ["c", huge],
    ["gone too", large],
    ["d", large.slice(2)],
    ["e", large.slice(1)],
    ["gone"],
    ["gone too"],
  ]);
  for (let n = 0; n < 20; n++) log.write([`k${n}`, large.slice(n, 60_000)]);
  for (let n = 0; n < 20; n += 2) log.write([`k${n}`]);
  const before = log.entries();
  log.compact();
  assertEquals(log.entries(), before);
  log.assertConsistent();
  const { segments } = log.control;
  for (const { sizeBytes } of segments.list()) {
    assert(sizeBytes <= 2 ** 20 || sizeBytes > huge.length);
  }
  using again = new TestLog(log.directory);
  assertEquals(again.entries(), before);
});

Deno.test("compact() gives sealed segments their hint files", () => {
  using log = new TempLog(TINY);
  writeEach(log, [..."abcdefgha"].map((key) => [key, quarter(key)]));
  log.compact();
  const hinted = filesOf(log.directory, ".hint").map((name) => parseInt(name));
  const sealed = log.ids.filter((id) => id !== log.control.activeSegment);
  assertEquals(hinted, sealed);
  for (const id of sealed) assert(log.control.segments.flags(id) & HINTED);
  writeEach(log, [..."abcdefgha"].map((key) => [key, "new"]));
  log.compact();
  // No hint file stays when its segment goes.
  const left = filesOf(log.directory, ".hint").map((name) => parseInt(name));
  assertEquals(left.filter((id) => !log.ids.includes(id)), []);
});

Deno.test("compact() makes no hint file for the two newest segments that are half dead", () => {
  using log = new TempLog(TINY);
  // Four fill a segment.
  writeEach(log, [..."aaaabbbbccccd"].map((key) => [key, quarter(key)]));
  assertEquals(log.ids, [1, 2, 3, 4]);
  log.compact("hints");
  assertEquals(filesOf(log.directory, ".hint"), ["1.hint"]);
  writeEach(log, [..."ddde"].map((key) => [key, quarter(key)]));
  log.compact("hints");
  assertEquals(filesOf(log.directory, ".hint"), ["1.hint", "2.hint"]);
});

Deno.test("compact() stops between two segments when it is asked to", () => {
  using log = new TempLog(TINY);
  writeEach(log, [..."abcdefghijkl"].map((key) => [key, quarter(key)]));
  writeEach(log, [..."aeij"].map((key) => [key, "new"]));
  const before = log.entries();
  const { ids } = log;
  log.compact("all", () => log.control.stopsCompaction = true);
  assertEquals(ids.filter((id) => !log.ids.includes(id)), ids.slice(0, 1));
  assertEquals(log.entries(), before);
  log.assertConsistent();
});

Deno.test("compact() leaves a damaged segment as it is, and compacts the others", () => {
  using log = new TempLog(TINY);
  writeEach(log, [..."abcdefghijkl"].map((key) => [key, quarter(key)]));
  writeEach(log, [..."aei"].map((key) => [key, "new"]));
  const [first, second] = log.ids;
  const path = segmentPath(log.directory, second);
  const content = Deno.readFileSync(path);
  content[16 + 1_016 + 500] ^= 1; // In the value of "f".
  Deno.writeFileSync(path, content);
  const failure = assertThrows(() => log.compact(), CorruptionError);
  assertEquals(
    failure.message,
    `Corrupt data in ${path} at offset 1032: record does not match its checksum`,
  );
  assertEquals(Deno.readFileSync(path), content);
  assert(!log.ids.includes(first));
  for (const key of "bcdghjkl") assertEquals(log.get(key), quarter(key));
  for (const key of "aei") assertEquals(log.get(key), "new");
  assertThrows(() => log.get("f"), CorruptionError);
  // It is known to be damaged, and not looked at again and again.
  assert(log.control.segments.flags(second) & DAMAGED);
  log.compact();
  assertEquals(Deno.readFileSync(path), content);
});

Deno.test("compact() goes on with the keys that it could not move", () => {
  using log = new TempLog({ segmentBytes: 2 ** 16, indexBytes: 2 ** 18 });
  let count = 0;
  while (log.write([`key ${count}`, "value"])[0] === true) count++;
  // A reader that stands still keeps the replaced pointers from reuse, so the
  // reserve runs out as well.
  const { arena: reader } = Keydir.attach(log.index.buffer);
  writeEach(log, Array.from({ length: 50 }, (_, n) => [`key ${n * 9}`, "new"]));
  const before = log.entries();
  reader.pin();
  let failed = 0;
  for (let turn = 0; turn < 3; turn++) {
    try {
      log.compact();
      log.write(...Array.from(
        { length: 300 },
        (_, n): KeyValue => [`key ${n * 9}`, "new"],
      ));
    } catch (error) {
      assertInstanceOf(error, IndexFullError);
      failed++;
    }
  }
  assert(failed > 0, "the index never got full");
  reader.unpin();
  log.assertConsistent();
  assertEquals(log.entries().size, before.size);
  log.compact();
  log.assertConsistent();
  assertEquals(log.entries().size, before.size);
});

Deno.test("compact() gives back what is dead in a store with as many segments as it can have", () => {
  using log = new TempLog(TINY);
  for (const key of "aaabbb") log.write([key, quarter(key)]);
  const { segments } = log.control;
  let id = 1_000;
  const addOthers = () => {
    for (;; id++) {
      segments.add(id, SEGMENT_HEADER_BYTES, { spare: false });
      segments.setFlags(id, HINTED);
    }
  };
  assertThrows(addOthers, Error, "Cannot add a segment");
  const [full] = log.write(["c", "x".repeat(4_000)]);
  assertInstanceOf(full, Error);
  const { bytesBefore, bytesAfter } = log.compact("worthwhile");
  assert(bytesAfter < bytesBefore);
  for (let added = 1_000; added < id; added++) segments.drop(added);
  assertEquals(log.write(["c", "x".repeat(4_000)]), [true]);
  log.assertConsistent();
});

// The torture tests try every step.
const EVERY = 5;

Deno.test("compact() keeps every acknowledged write through a crash at one of its steps", () =>
  crashInCompaction(EVERY));

Deno.test("compact() loses nothing when one of its steps fails", () =>
  failInCompaction(SMALL_RECORDS, EVERY));

Deno.test("compact() loses no record of whatever size when one of its steps fails", () =>
  failInCompaction(LARGE_RECORDS, 17));

Deno.test("compact() refuses to go on after a failed fdatasync", async () => {
  using log = new TempLog(TINY);
  using disk = new FaultyDisk(log.directory);
  const expected = new Expectation();
  await fillLog(log, expected);
  await log.sync();
  disk.failAll("syncDataSync");
  assertThrows(() => log.compact(), InjectedFault);
  disk.heal();
  const { ids } = log;
  // The kernel may have dropped what was to be synced; a second try would say
  // that all is well. What the copies were made of must stay.
  assertThrows(() => log.compact(), WritesRefusedError);
  assertEquals(log.ids, ids);
  assertInstanceOf(log.write(["a", "x"])[0], WritesRefusedError);
});

Deno.test("compact() agrees with a Map under any writes, compactions and openings", () => {
  const key = fc.constantFrom(..."abcdefgh");
  const command = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.tuple(fc.constant("set"), key, fc.nat(1_500)),
    },
    { weight: 4, arbitrary: fc.tuple(fc.constant("remove"), key, fc.nat()) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("compact"), key, fc.nat(9)) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constant("worthwhile"), key, fc.nat(9)),
    },
    { weight: 1, arbitrary: fc.tuple(fc.constant("open"), key, fc.nat()) },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      using directory = new TempDirectory();
      using _disk = new FaultyDisk(directory.path);
      let log = new TestLog(directory.path, TINY);
      const model = new Map<string, string>();
      const set = (key: string, value: string) => {
        model.set(key, value);
        log.write([key, value]);
      };
      let n = 0;
      for (const [what, key, number] of commands) {
        if (what === "set") set(key, `${n++} ${"x".repeat(number)}`);
        else if (what === "remove") {
          assertEquals(log.write([key]), [model.delete(key)]);
        } else if (what === "open") {
          log[Symbol.dispose]();
          log = new TestLog(directory.path, TINY);
        } else {
          let records = 0;
          log.compact(what === "compact" ? "all" : "worthwhile", () => {
            if (++records === number) set(key, `between ${n++}`);
          });
        }
        assertEquals(log.index.size, model.size);
      }
      assertEquals(log.entries(), new Map([...model].sort()));
      log.assertConsistent();
      log[Symbol.dispose]();
      log = new TestLog(directory.path, TINY);
      assertEquals(log.entries(), new Map([...model].sort()));
      log[Symbol.dispose]();
    }),
    { numRuns: 100 },
  );
});

Deno.test("compact() never brings a removed key back, whatever it has dropped", () => {
  for (let seed = 1; seed <= 8; seed++) {
    using log = new TempLog(TINY);
    using _disk = new FaultyDisk(log.directory);
    const random = new Random(seed);
    const model = new Map<string, string>();
    for (let turn = 0; turn < 150; turn++) {
      const key = `k${random.below(12)}`;
      if (random.below(3) === 0) {
        log.write([key]);
        model.delete(key);
      } else {
        const value = `${turn} ${"x".repeat(random.below(900))}`;
        log.write([key, value]);
        model.set(key, value);
      }
      if (random.below(12) === 0) {
        log.compact(random.below(2) === 0 ? "all" : "worthwhile");
      }
      if (random.below(6) > 0) continue;
      // A copy, so that this log goes on with the table as it knows it.
      using copy = new TempDirectory();
      copyDirectory(log.directory, copy.path);
      using again = new TestLog(copy.path, TINY);
      assertEquals(again.entries(), new Map([...model].sort()), `seed ${seed}`);
    }
  }
});
