import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  CorruptionError,
  IndexFullError,
  WritesRefusedError,
} from "../../../../engine/errors.ts";
import { candidates } from "../../../../engine/kvs/store/compaction.ts";
import {
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
import {
  Expectation,
  type KeyValue,
  TempStore,
  TestStore,
} from "../_test_store.ts";

/** Opens what is there again, as another process would. */
function reopened(store: TestStore): TestStore {
  const again = new TestStore(store.directory, TINY);
  assertEquals(again.damage, []);
  again.assertConsistent();
  return again;
}

Deno.test("compact() leaves what is live and nothing else", () => {
  using store = new TempStore(TINY);
  writeEach(store, [
    ...["a", "b", "c", "d", "e", "f", "g", "h"].map((key): KeyValue => [
      key,
      quarter(key),
    ]),
    ["b", quarter("b2")],
    ["c"],
    ["h", "h2"],
    ["h", "h3"],
  ]);
  const before = store.entries();
  const report = store.compact();
  assertEquals(store.entries(), before);
  assertEquals(store.records().flat().map((record) => record.slice(0, 4)), [
    "1 a=",
    "4 d=",
    "5 e=",
    "6 f=",
    "7 g=",
    "9 b=",
    "12 h",
  ]);
  store.assertConsistent();
  assert(report.bytesAfter < report.bytesBefore);
  const sizes = store.log.segments.list().map(({ sizeBytes }) => sizeBytes);
  assertEquals(report.bytesAfter, sizes.reduce((sum, size) => sum + size));
  using again = reopened(store);
  assertEquals(again.entries(), before);
});

Deno.test("compact() does nothing where there is nothing to give back", () => {
  using store = new TempStore(TINY);
  writeEach(store, [["a", quarter("a")], ["b", "b"]]);
  const { ids } = store;
  store.compact();
  assertEquals(store.ids, ids);
});

Deno.test("compact() leaves no file of an empty store behind", () => {
  using store = new TempStore(TINY);
  writeEach(store, [["a", "1"], ["a"]]);
  store.compact();
  store.compact();
  assertEquals(store.records().flat(), []);
  assertEquals(store.ids.length, 1);
  writeEach(store, [["a", "2"]]);
  assertEquals(store.get("a"), "2");
});

Deno.test("compact() keeps a tombstone while an older segment has a dead record", () => {
  using store = new TempStore(TINY);
  writeEach(store, [
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
  const [first, second] = store.ids;
  assertEquals(
    candidates(store.log.list(), "worthwhile").map(({ id }) => id),
    [second],
  );
  store.compact("worthwhile");
  assert(store.ids.includes(first) && !store.ids.includes(second));
  assert(store.records().flat().includes("5 -k"));
  using again = reopened(store);
  assertEquals(again.get("k"), undefined);
  // Once the dead record is gone, so may the tombstone.
  store.compact();
  store.compact();
  assertEquals(store.records().flat().filter((r) => r.includes("-k")), []);
  using last = reopened(store);
  assertEquals(last.get("k"), undefined);
});

Deno.test("candidates() takes the segments with the most to give back first", () => {
  using store = new TempStore(TINY);
  const keys = [..."abcdefghijkl"];
  writeEach(store, keys.map((key) => [key, quarter(key)]));
  writeEach(store, [..."abcefgijkl"].map((key) => [key, "new"]));
  const [first, second, third] = store.ids;
  const ids = (scope: "all" | "worthwhile", among?: ReadonlySet<number>) =>
    candidates(store.log.list(), scope, among).map(({ id }) => id);
  assertEquals(ids("worthwhile"), [third, first, second]);
  assertEquals(ids("all"), [first, second, third]);
  assertEquals(ids("all", new Set([third, first])), [first, third]);
  store.log.segments.setFlags(first, DAMAGED);
  assertEquals(ids("all"), [second, third]);
});

Deno.test("compact() loses no write that comes between a copy and its move", () => {
  for (let at = 1; at <= 12; at++) {
    for (const write of [["a", "new"], ["a"]] as const) {
      using store = new TempStore(TINY);
      using _disk = new FaultyDisk(store.directory);
      writeEach(store, [
        ["x", quarter("x")],
        ["a", quarter("a")],
        ["b", quarter("b")],
        ["c", quarter("c")],
        ["x", "x2"],
      ]);
      let records = 0;
      store.compact("all", () => {
        if (++records === at) writeEach(store, [write]);
      });
      if (records < at) {
        assert(at > 4);
        break;
      }
      assertEquals(store.get("a"), write[1]);
      store.assertConsistent();
      using again = reopened(store);
      assertEquals(again.get("a"), write[1]);
      store.compact();
      store.compact();
      assertEquals(store.get("a"), write[1]);
      using last = reopened(store);
      assertEquals(last.get("a"), write[1]);
    }
  }
});

Deno.test("compact() copies records of any size, and makes as many segments as it needs", () => {
  using store = new TempStore({ segmentBytes: 2 ** 20 });
  const large = "x".repeat(2 ** 19);
  const huge = "y".repeat(3 * 2 ** 20);
  writeEach(store, [
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
  for (let n = 0; n < 20; n++) store.write([`k${n}`, large.slice(n, 60_000)]);
  for (let n = 0; n < 20; n += 2) store.write([`k${n}`]);
  const before = store.entries();
  store.compact();
  assertEquals(store.entries(), before);
  store.assertConsistent();
  const { segments } = store.log;
  for (const { sizeBytes } of segments.list()) {
    assert(sizeBytes <= 2 ** 20 || sizeBytes > huge.length);
  }
  using again = new TestStore(store.directory);
  assertEquals(again.entries(), before);
});

Deno.test("compact() gives sealed segments their hint files", () => {
  using store = new TempStore(TINY);
  writeEach(store, [..."abcdefgha"].map((key) => [key, quarter(key)]));
  store.compact();
  const hinted = filesOf(store.directory, ".hint").map((name) =>
    parseInt(name)
  );
  const sealed = store.ids.filter((id) => id !== store.log.segments.active);
  assertEquals(hinted, sealed);
  for (const id of sealed) assert(store.log.segments.flags(id) & HINTED);
  writeEach(store, [..."abcdefgha"].map((key) => [key, "new"]));
  store.compact();
  // No hint file stays when its segment goes.
  const left = filesOf(store.directory, ".hint").map((name) => parseInt(name));
  assertEquals(left.filter((id) => !store.ids.includes(id)), []);
});

Deno.test("compact() makes no hint file for the two newest segments that are half dead", () => {
  using store = new TempStore(TINY);
  // Four fill a segment.
  writeEach(store, [..."aaaabbbbccccd"].map((key) => [key, quarter(key)]));
  assertEquals(store.ids, [1, 2, 3, 4]);
  store.compact("hints");
  assertEquals(filesOf(store.directory, ".hint"), ["1.hint"]);
  writeEach(store, [..."ddde"].map((key) => [key, quarter(key)]));
  store.compact("hints");
  assertEquals(filesOf(store.directory, ".hint"), ["1.hint", "2.hint"]);
});

Deno.test("compact() stops between two segments when it is asked to", () => {
  using store = new TempStore(TINY);
  writeEach(store, [..."abcdefghijkl"].map((key) => [key, quarter(key)]));
  writeEach(store, [..."aeij"].map((key) => [key, "new"]));
  const before = store.entries();
  const { ids } = store;
  store.compact("all", () => store.compaction.stops = true);
  assertEquals(ids.filter((id) => !store.ids.includes(id)), ids.slice(0, 1));
  assertEquals(store.entries(), before);
  store.assertConsistent();
});

Deno.test("compact() leaves a damaged segment as it is, and compacts the others", () => {
  using store = new TempStore(TINY);
  writeEach(store, [..."abcdefghijkl"].map((key) => [key, quarter(key)]));
  writeEach(store, [..."aei"].map((key) => [key, "new"]));
  const [first, second] = store.ids;
  const path = segmentPath(store.directory, second);
  const content = Deno.readFileSync(path);
  content[16 + 1_016 + 500] ^= 1; // In the value of "f".
  Deno.writeFileSync(path, content);
  const failure = assertThrows(() => store.compact(), CorruptionError);
  assertEquals(
    failure.message,
    `Corrupt data in ${path} at offset 1032: record does not match its checksum`,
  );
  assertEquals(Deno.readFileSync(path), content);
  assert(!store.ids.includes(first));
  for (const key of "bcdghjkl") assertEquals(store.get(key), quarter(key));
  for (const key of "aei") assertEquals(store.get(key), "new");
  assertThrows(() => store.get("f"), CorruptionError);
  // It is known to be damaged, and not looked at again and again.
  assert(store.log.segments.flags(second) & DAMAGED);
  store.compact();
  assertEquals(Deno.readFileSync(path), content);
});

Deno.test("compact() goes on with the keys that it could not move", () => {
  using store = new TempStore({ segmentBytes: 2 ** 16, indexBytes: 2 ** 18 });
  let count = 0;
  while (store.write([`key ${count}`, "value"])[0] === true) count++;
  // A reader that stands still keeps the replaced pointers from reuse, so the
  // reserve runs out as well.
  const { arena: reader } = Keydir.attach(store.index.buffer);
  writeEach(
    store,
    Array.from({ length: 50 }, (_, n) => [`key ${n * 9}`, "new"]),
  );
  const before = store.entries();
  reader.epochs.pin();
  let failed = 0;
  for (let turn = 0; turn < 3; turn++) {
    try {
      store.compact();
      store.write(...Array.from(
        { length: 300 },
        (_, n): KeyValue => [`key ${n * 9}`, "new"],
      ));
    } catch (error) {
      assertInstanceOf(error, IndexFullError);
      failed++;
    }
  }
  assert(failed > 0, "the index never got full");
  reader.epochs.unpin();
  store.assertConsistent();
  assertEquals(store.entries().size, before.size);
  store.compact();
  store.assertConsistent();
  assertEquals(store.entries().size, before.size);
});

Deno.test("compact() gives back what is dead in a store with as many segments as it can have", () => {
  using store = new TempStore(TINY);
  for (const key of "aaabbb") store.write([key, quarter(key)]);
  const { segments } = store.log;
  let id = 1_000;
  const addOthers = () => {
    for (;; id++) {
      segments.add(id, SEGMENT_HEADER_BYTES, { spare: false });
      segments.setFlags(id, HINTED);
    }
  };
  assertThrows(addOthers, Error, "Cannot add a segment");
  const [full] = store.write(["c", "x".repeat(4_000)]);
  assertInstanceOf(full, Error);
  const { bytesBefore, bytesAfter } = store.compact("worthwhile");
  assert(bytesAfter < bytesBefore);
  for (let added = 1_000; added < id; added++) segments.drop(added);
  assertEquals(store.write(["c", "x".repeat(4_000)]), [true]);
  store.assertConsistent();
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
  using store = new TempStore(TINY);
  using disk = new FaultyDisk(store.directory);
  const expected = new Expectation();
  await fillLog(store, expected);
  await store.sync();
  disk.failAll("syncDataSync");
  assertThrows(() => store.compact(), InjectedFault);
  disk.heal();
  const { ids } = store;
  // The kernel may have dropped what was to be synced; a second try would say
  // that all is well. What the copies were made of must stay.
  assertThrows(() => store.compact(), WritesRefusedError);
  assertEquals(store.ids, ids);
  assertInstanceOf(store.write(["a", "x"])[0], WritesRefusedError);
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
      let store = new TestStore(directory.path, TINY);
      const model = new Map<string, string>();
      const set = (key: string, value: string) => {
        model.set(key, value);
        store.write([key, value]);
      };
      let n = 0;
      for (const [what, key, number] of commands) {
        if (what === "set") set(key, `${n++} ${"x".repeat(number)}`);
        else if (what === "remove") {
          assertEquals(store.write([key]), [model.delete(key)]);
        } else if (what === "open") {
          store[Symbol.dispose]();
          store = new TestStore(directory.path, TINY);
        } else {
          let records = 0;
          store.compact(what === "compact" ? "all" : "worthwhile", () => {
            if (++records === number) set(key, `between ${n++}`);
          });
        }
        assertEquals(store.index.size, model.size);
      }
      assertEquals(store.entries(), new Map([...model].sort()));
      store.assertConsistent();
      store[Symbol.dispose]();
      store = new TestStore(directory.path, TINY);
      assertEquals(store.entries(), new Map([...model].sort()));
      store[Symbol.dispose]();
    }),
    { numRuns: 100 },
  );
});

Deno.test("compact() never brings a removed key back, whatever it has dropped", () => {
  for (let seed = 1; seed <= 8; seed++) {
    using store = new TempStore(TINY);
    using _disk = new FaultyDisk(store.directory);
    const random = new Random(seed);
    const model = new Map<string, string>();
    for (let turn = 0; turn < 150; turn++) {
      const key = `k${random.below(12)}`;
      if (random.below(3) === 0) {
        store.write([key]);
        model.delete(key);
      } else {
        const value = `${turn} ${"x".repeat(random.below(900))}`;
        store.write([key, value]);
        model.set(key, value);
      }
      if (random.below(12) === 0) {
        store.compact(random.below(2) === 0 ? "all" : "worthwhile");
      }
      if (random.below(6) > 0) continue;
      // A copy, so that this log goes on with the table as it knows it.
      using copy = new TempDirectory();
      copyDirectory(store.directory, copy.path);
      using again = new TestStore(copy.path, TINY);
      assertEquals(again.entries(), new Map([...model].sort()), `seed ${seed}`);
    }
  }
});
