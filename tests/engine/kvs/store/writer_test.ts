import { until } from "../../../_deadline.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import {
  IndexFullError,
  WritesRefusedError,
} from "../../../../engine/errors.ts";
import { RECORD_HEADER_BYTES } from "../../../../engine/kvs/log/record.ts";
import {
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import { SEALED, UNSYNCED } from "../../../../engine/kvs/log/segment_table.ts";
import { FaultyDisk, InjectedFault } from "../_fault_injection.ts";
import { bytes, TempDirectory } from "../_helpers.ts";
import { TempStore, TestStore, toWrite } from "../_test_store.ts";

Deno.test("Writer.write() appends in order and leads the index there", () => {
  using store = new TempStore();
  assertEquals(store.write(["a", "1"], ["b", "2"]), [true, true]);
  assertEquals(store.write(["a", "3"]), [true]);
  assertEquals(store.records(), [["1 a=1", "2 b=2", "3 a=3"]]);
  assertEquals(store.get("a"), "3");
  assertEquals(store.get("b"), "2");
  assertEquals(store.index.size, 2);
});

Deno.test("Writer.write() does not keep the arrays it is given", () => {
  using store = new TempStore();
  const { key, value } = toWrite(["key", "value"]);
  store.writer.write([{ key, value }]);
  key.fill(0);
  value!.fill(0);
  assertEquals(store.get("key"), "value");
});

Deno.test("Writer.write() applies a batch to one key in order", () => {
  using store = new TempStore();
  assertEquals(
    store.write(["k"], ["k", "1"], ["k", "2"], ["k"], ["k"], ["k", "3"]),
    [false, true, true, true, false, true],
  );
  assertEquals(store.get("k"), "3");
  assertEquals(store.records(), [["1 k=1", "2 k=2", "3 -k", "4 k=3"]]);
  assertEquals(store.write(["k"]), [true]);
  assertEquals(store.get("k"), undefined);
  assertEquals(store.index.size, 0);
});

Deno.test("Writer.write() writes nothing for the removal of a missing key", () => {
  using store = new TempStore();
  assertEquals(store.write(["k"]), [false]);
  assertEquals(store.records(), []);
  assertEquals(store.writer.ticket, 0);
});

Deno.test("Writer.write() takes empty keys and values, and an empty batch", () => {
  using store = new TempStore();
  assertEquals(store.write(), []);
  assertEquals(store.write(["", ""], ["x", ""]), [true, true]);
  assertEquals(store.get(""), "");
  assertEquals(store.get("x"), "");
  assertEquals(store.write([""]), [true]);
  assertEquals(store.get(""), undefined);
  store.assertConsistent();
});

Deno.test("Writer.write() begins no segment after the last file id", () => {
  using store = new TempStore({ segmentBytes: 100 });
  store.log.reserveFileIds(2 ** 32 - 3);
  assertEquals(store.write(["k", "1"]), [true]);
  assertEquals(store.log.segments.active, 2 ** 32 - 2);
  const large = "v".repeat(100);
  for (let tries = 0; tries < 3; tries++) {
    const [outcome] = store.write(["k", large]);
    assertInstanceOf(outcome, Error);
    assertEquals(
      outcome.message,
      "Cannot add a segment: file id 4294967294 was the last",
    );
  }
  assertEquals(store.get("k"), "1");
});

Deno.test("Writer.write() counts what it has made worthless", () => {
  using store = new TempStore();
  store.write(["k", "123"], ["other", "x"], ["k", "4"], ["k"]);
  const first = RECORD_HEADER_BYTES + 1 + 3;
  const second = RECORD_HEADER_BYTES + 1 + 1;
  assertEquals(store.log.segments.get(1), {
    id: 1,
    sizeBytes: Deno.statSync(segmentPath(store.directory, 1)).size,
    deadBytes: first + second,
    deadRecords: 2,
    tombstoneBytes: RECORD_HEADER_BYTES + 1,
    minSequence: 1,
    flags: UNSYNCED,
  });
});

Deno.test("Writer.write() seals a segment before it grows too large", () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  for (let n = 0; n < 100; n++) store.write([`${n}`, "x".repeat(500)]);
  const ids = store.ids;
  assert(ids.length > 10);
  for (const id of ids) {
    const { sizeBytes, flags } = store.log.segments.get(id);
    assert(sizeBytes <= 4_096);
    assertEquals(flags, id === store.log.segments.active ? 2 : 3);
    // Another record of this size would not have fitted.
    if (flags & SEALED) assert(sizeBytes > 4_096 - 523);
  }
  for (let n = 0; n < 100; n++) assertEquals(store.get(`${n}`)?.length, 500);
  store.assertConsistent();
});

Deno.test("Writer.write() gives a record that is too large a segment of its own", () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  const large = "x".repeat(3 * 2 ** 20);
  assertEquals(
    store.write(["a", "1"], ["large", large], ["b", "2"]),
    [true, true, true],
  );
  assertEquals(store.records().map((records) => records.length), [1, 1, 1]);
  assertEquals(store.get("large"), large);
  assertEquals(store.get("b"), "2");
});

Deno.test("Writer.write() writes a batch of many megabytes", () => {
  using store = new TempStore({ segmentBytes: 2 ** 22, indexBytes: 2 ** 22 });
  const batch = Array.from(
    { length: 6_000 },
    (_, n): [string, string] => [`${n}`, String(n).repeat(300)],
  );
  assert(store.write(...batch).every((outcome) => outcome === true));
  for (const [key, value] of batch) assertEquals(store.get(key), value);
  assertEquals(store.records().flat().length, 6_000);
  store.assertConsistent();
});

Deno.test("Writer.write() of two instances takes turns in one log", () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  const other = store.newWriter();
  for (let n = 0; n < 100; n++) {
    store.write([`a${n}`, "x".repeat(100)]);
    other.write([
      toWrite([`b${n}`, "y".repeat(100)]),
      toWrite([`a${n - 1}`]),
    ]);
  }
  assertEquals(store.index.size, 101);
  for (let n = 0; n < 100; n++) assertEquals(store.get(`b${n}`)?.length, 100);
  const sequences = store.records().flat().map((record) => parseInt(record));
  assertEquals(sequences, Array.from({ length: 299 }, (_, i) => i + 1));
  store.assertConsistent();
});

Deno.test("Writer.ticket tells the last append of this instance", () => {
  using store = new TempStore();
  const other = store.newWriter();
  store.write(["a", "1"], ["b", "2"]);
  const { ticket } = store.writer;
  assertEquals(ticket, store.log.commit.ticket);
  other.write([toWrite(["c", "3"])]);
  assert(other.ticket > ticket);
  assertEquals(store.writer.ticket, ticket);
  assertEquals(store.newWriter().ticket, other.ticket);
});

Deno.test("Writer.ticket goes on beyond 32 bits", async () => {
  using store = new TempStore();
  using _disk = new FaultyDisk(store.directory);
  for (const sequence of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 47]) {
    store.write(["before", "1"]);
    await store.sync();
    assert(store.log.commit.isSynced(store.writer.ticket));
    // As if so many appends had been made since.
    store.log.sequence = sequence;
    for (let n = 0; n < 4; n++) {
      store.write(["after", `${n}`]);
      assert(
        !store.log.commit.isSynced(store.writer.ticket),
        `${sequence} + ${n}`,
      );
    }
  }
});

Deno.test("Writer.write() fails only the writes that the index has no room for", () => {
  using store = new TempStore({ indexBytes: 2 ** 18 });
  let count = 0;
  // There may be room for one key and none for another, as their hashes fall.
  for (let n = 0, denied = 0; denied < 200; n++) {
    if (store.write([`key ${n}`, "v"])[0] === true) count++;
    else denied++;
  }
  // The height of a node is drawn anew at each try, so even a key that has just
  // been denied may fit; a long one does not.
  const long = "a much longer key than the others".repeat(1_000);
  const before = store.records().flat().length;
  const [denied, overwritten, removed, deniedToo] = store.write(
    [long, "v"],
    ["key 1", "w"],
    ["key 2"],
    ["a much longer key than the one removed".repeat(1_000), "v"],
  );
  assertInstanceOf(denied, IndexFullError);
  assertEquals([overwritten, removed], [true, true]);
  assertInstanceOf(deniedToo, IndexFullError);
  assertEquals(store.get(long), undefined);
  assertEquals(store.get("key 1"), "w");
  assertEquals(store.get("key 2"), undefined);
  assertEquals(store.index.size, count - 1);
  // Nor is there anything of them in the log.
  assertEquals(store.records().flat().length, before + 2);
  store.write(...Array.from({ length: 200 }, (_, n): [string] => [`key ${n}`]));
  assertEquals(store.write(["new 1", "v"]), [true]);
  store.assertConsistent();
});

Deno.test("Writer.write() refuses a key that is too long, and no other", () => {
  using store = new TempStore();
  const outcomes = store.writer.write([
    toWrite(["a", "1"]),
    { key: new Uint8Array(2 ** 24 + 1), value: bytes("x") },
    toWrite(["b", "2"]),
  ]);
  assertEquals(outcomes[0], true);
  assertInstanceOf(outcomes[1], RangeError);
  assertEquals(outcomes[2], true);
  assertEquals(store.records().flat(), ["1 a=1", "2 b=2"]);
});

Deno.test("Writer.write() takes a failed append back whole", () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  store.write(["a", "1"], ["gone", "x"], ["gone"]);
  const used = store.index.usedBytes;
  const segment = store.log.segments.get(1);
  disk.halfWrites = true;
  disk.failAll("writeSync");
  for (const batch of [[["a", "2"], ["gone", "3"]], [["a"]]]) {
    const outcomes = store.write(...batch as [string, string?][]);
    for (const outcome of outcomes) assertInstanceOf(outcome, InjectedFault);
  }
  disk.heal();
  assertEquals(store.get("a"), "1");
  assertEquals(store.get("gone"), undefined);
  assertEquals(store.index.usedBytes, used);
  assertEquals(store.log.segments.get(1), segment);
  assertEquals(store.records(), [["1 a=1", "2 gone=x", "3 -gone"]]);
  // And then goes on where it was.
  assertEquals(store.write(["a", "4"], ["b", "5"]), [true, true]);
  assertEquals(store.records()[0].slice(3), ["4 a=4", "5 b=5"]);
  store.assertConsistent();
});

Deno.test("Writer.write() keeps what was appended before the failure in one batch", () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  // The removal is an append of its own, and so is what follows it.
  store.write(["a", "1"]);
  let writes = 0;
  disk.onStep = ({ call }) => {
    if (call === "writeSync" && ++writes === 3) throw new InjectedFault();
  };
  const [first, removed, last] = store.write(["b", "2"], ["a"], ["c", "3"]);
  assertEquals([first, removed], [true, true]);
  assertInstanceOf(last, InjectedFault);
  assertEquals(store.records(), [["1 a=1", "2 b=2", "3 -a"]]);
  assertEquals(store.write(["c", "4"]), [true]);
  assertEquals(store.records(), [["1 a=1", "2 b=2", "3 -a", "4 c=4"]]);
});

Deno.test("Writer.write() refuses to write behind an end it does not know", () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  store.write(["a", "1"]);
  disk.halfWrites = true;
  disk.failAll("writeSync", "file.truncateSync");
  assertInstanceOf(store.write(["b", "2"])[0], InjectedFault);
  disk.heal();
  for (const writer of [store.writer, store.newWriter()]) {
    const outcomes = writer.write([toWrite(["c", "3"]), toWrite(["a"])]);
    for (const outcome of outcomes) {
      assertInstanceOf(outcome, WritesRefusedError);
    }
  }
  assertEquals(store.get("a"), "1");
  assertEquals(store.index.size, 1);
});

Deno.test("Writer.write() writes nothing more of a batch behind an end it does not know", () => {
  using directory = new TempDirectory();
  const batch = [
    ["a", "A".repeat(900_000)],
    ["b", "B".repeat(300_000)],
    ["c", "C"],
  ].map(([key, value]) => toWrite([key, value]));
  {
    using store = new TestStore(directory.path);
    using disk = new FaultyDisk(directory.path);
    store.write(["b", "old"]);
    disk.halfWrites = true;
    let writes = 0;
    disk.onStep = ({ call }) => {
      if (call === "file.truncateSync") throw new InjectedFault();
      if (call === "writeSync" && ++writes === 1) throw new InjectedFault();
    };
    const outcomes = store.writer.write(batch);
    assertInstanceOf(outcomes[0], InjectedFault);
    assertInstanceOf(outcomes[1], WritesRefusedError);
    assertInstanceOf(outcomes[2], WritesRefusedError);
    assertEquals(writes, 1);
    assertEquals(store.get("b"), "old");
  }
  using again = new TestStore(directory.path);
  assertEquals(again.entries(), new Map([["b", "old"]]));
});

/** Whether this process has a segment open that is removed. */
function isHeld(store: TempStore, id: number): boolean {
  return [...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) ===
        `${segmentPath(store.directory, id)} (deleted)`;
    } catch {
      return false;
    }
  });
}

Deno.test("Writer gives the space of a segment back that others have sealed and removed", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  const idle = store.newWriter();
  idle.write([toWrite(["a", "1"])]);
  const [first] = store.ids;
  store.write(["a", "x".repeat(4_000)]);
  store.compact();
  assert(!store.ids.includes(first));
  if (Deno.build.os !== "linux") return;
  assert(isHeld(store, first));
  await until(
    "an idle writer to let go of the segment",
    () => !isHeld(store, first),
  );
});

Deno.test("Writer gives the space of a segment back to which its first write failed", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const idle = store.newWriter();
  let writes = 0;
  disk.onStep = ({ call }) => {
    // The first call writes the header of the new segment.
    if (call === "writeSync" && ++writes === 2) throw new InjectedFault(call);
  };
  assertInstanceOf(idle.write([toWrite(["a", "1"])])[0], InjectedFault);
  disk.heal();
  const [first] = store.ids;
  store.write(["a", "2"]);
  store.write(["a", "x".repeat(4_000)]);
  store.compact();
  assert(!store.ids.includes(first));
  if (Deno.build.os !== "linux") return;
  assert(isHeld(store, first));
  await until(
    "an idle writer to let go of the segment",
    () => !isHeld(store, first),
  );
});

Deno.test("Writer.write() goes on in the old segment where no new one can be made", () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  store.write(["a", "x".repeat(4_000)]);
  for (const halfWrites of [false, true]) {
    for (const call of ["openSync", "writeSync"] as const) {
      disk.halfWrites = halfWrites;
      disk.failAll(call);
      assertInstanceOf(
        store.write(["b", "y".repeat(100)])[0],
        InjectedFault,
      );
      disk.heal();
    }
  }
  assertEquals(store.ids, [1]);
  assertEquals(store.write(["c", "z"]), [true]);
  assertEquals(store.records().map((records) => records.length), [2]);
  assertEquals(store.write(["b", "y".repeat(100)]), [true]);
  assertEquals(store.records().map((records) => records.length), [2, 1]);
  const [id] = store.ids.slice(1);
  assertEquals(
    store.log.segments.get(id).sizeBytes,
    SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 101,
  );
});

Deno.test("Writer.write() frees the lock whatever happens", () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  disk.failAll("openSync");
  store.write(["a", "1"]);
  disk.heal();
  store.log.locked(() => {});
  assertThrows(() =>
    store.log.locked(() => {
      throw new Error("failed");
    })
  );
  assertEquals(store.write(["a", "1"]), [true]);
});
