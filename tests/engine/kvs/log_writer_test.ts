import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import { until } from "../../_deadline.ts";
import { IndexFullError } from "../../../engine/kvs/arena.ts";
import { WritesRefusedError } from "../../../engine/errors.ts";
import { RECORD_HEADER_BYTES } from "../../../engine/kvs/record.ts";
import {
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../../../engine/kvs/segment.ts";
import { SEALED, UNSYNCED } from "../../../engine/kvs/segment_table.ts";
import { FaultyDisk, InjectedFault } from "./_fault_injection.ts";
import { bytes, TempDirectory } from "./_helpers.ts";
import { TempLog, TestLog, toWrite } from "./_test_log.ts";

Deno.test("LogWriter.write() appends in order and leads the index there", () => {
  using log = new TempLog();
  assertEquals(log.write(["a", "1"], ["b", "2"]), [true, true]);
  assertEquals(log.write(["a", "3"]), [true]);
  assertEquals(log.records(), [["1 a=1", "2 b=2", "3 a=3"]]);
  assertEquals(log.get("a"), "3");
  assertEquals(log.get("b"), "2");
  assertEquals(log.index.size, 2);
});

Deno.test("LogWriter.write() does not keep the arrays it is given", () => {
  using log = new TempLog();
  const { key, value } = toWrite(["key", "value"]);
  log.writer.write([{ key, value }]);
  key.fill(0);
  value!.fill(0);
  assertEquals(log.get("key"), "value");
});

Deno.test("LogWriter.write() applies a batch to one key in order", () => {
  using log = new TempLog();
  assertEquals(
    log.write(["k"], ["k", "1"], ["k", "2"], ["k"], ["k"], ["k", "3"]),
    [false, true, true, true, false, true],
  );
  assertEquals(log.get("k"), "3");
  assertEquals(log.records(), [["1 k=1", "2 k=2", "3 -k", "4 k=3"]]);
  assertEquals(log.write(["k"]), [true]);
  assertEquals(log.get("k"), undefined);
  assertEquals(log.index.size, 0);
});

Deno.test("LogWriter.write() writes nothing for the removal of a missing key", () => {
  using log = new TempLog();
  assertEquals(log.write(["k"]), [false]);
  assertEquals(log.records(), []);
  assertEquals(log.writer.ticket, 0);
});

Deno.test("LogWriter.write() takes empty keys and values, and an empty batch", () => {
  using log = new TempLog();
  assertEquals(log.write(), []);
  assertEquals(log.write(["", ""], ["x", ""]), [true, true]);
  assertEquals(log.get(""), "");
  assertEquals(log.get("x"), "");
  assertEquals(log.write([""]), [true]);
  assertEquals(log.get(""), undefined);
  log.assertConsistent();
});

Deno.test("LogWriter.write() begins no segment after the last file id", () => {
  using log = new TempLog({ segmentBytes: 100 });
  log.control.reserveFileIds(2 ** 32 - 3);
  assertEquals(log.write(["k", "1"]), [true]);
  assertEquals(log.control.activeSegment, 2 ** 32 - 2);
  const large = "v".repeat(100);
  for (let tries = 0; tries < 3; tries++) {
    const [outcome] = log.write(["k", large]);
    assertInstanceOf(outcome, Error);
    assertEquals(
      outcome.message,
      "Cannot add a segment: file id 4294967294 was the last",
    );
  }
  assertEquals(log.get("k"), "1");
});

Deno.test("LogWriter.write() counts what it has made worthless", () => {
  using log = new TempLog();
  log.write(["k", "123"], ["other", "x"], ["k", "4"], ["k"]);
  const first = RECORD_HEADER_BYTES + 1 + 3;
  const second = RECORD_HEADER_BYTES + 1 + 1;
  assertEquals(log.control.segments.get(1), {
    id: 1,
    sizeBytes: Deno.statSync(segmentPath(log.directory, 1)).size,
    deadBytes: first + second,
    deadRecords: 2,
    tombstoneBytes: RECORD_HEADER_BYTES + 1,
    minSequence: 1,
    flags: UNSYNCED,
  });
});

Deno.test("LogWriter.write() seals a segment before it grows too large", () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  for (let n = 0; n < 100; n++) log.write([`${n}`, "x".repeat(500)]);
  const ids = log.ids;
  assert(ids.length > 10);
  for (const id of ids) {
    const { sizeBytes, flags } = log.control.segments.get(id);
    assert(sizeBytes <= 4_096);
    assertEquals(flags, id === log.control.activeSegment ? 2 : 3);
    // Another record of this size would not have fitted.
    if (flags & SEALED) assert(sizeBytes > 4_096 - 523);
  }
  for (let n = 0; n < 100; n++) assertEquals(log.get(`${n}`)?.length, 500);
  log.assertConsistent();
});

Deno.test("LogWriter.write() gives a record that is too large a segment of its own", () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  const large = "x".repeat(3 * 2 ** 20);
  assertEquals(
    log.write(["a", "1"], ["large", large], ["b", "2"]),
    [true, true, true],
  );
  assertEquals(log.records().map((records) => records.length), [1, 1, 1]);
  assertEquals(log.get("large"), large);
  assertEquals(log.get("b"), "2");
});

Deno.test("LogWriter.write() writes a batch of many megabytes", () => {
  using log = new TempLog({ segmentBytes: 2 ** 22, indexBytes: 2 ** 22 });
  const batch = Array.from(
    { length: 6_000 },
    (_, n): [string, string] => [`${n}`, String(n).repeat(300)],
  );
  assert(log.write(...batch).every((outcome) => outcome === true));
  for (const [key, value] of batch) assertEquals(log.get(key), value);
  assertEquals(log.records().flat().length, 6_000);
  log.assertConsistent();
});

Deno.test("LogWriter.write() of two instances takes turns in one log", () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  const other = log.newWriter();
  for (let n = 0; n < 100; n++) {
    log.write([`a${n}`, "x".repeat(100)]);
    other.write([
      toWrite([`b${n}`, "y".repeat(100)]),
      toWrite([`a${n - 1}`]),
    ]);
  }
  assertEquals(log.index.size, 101);
  for (let n = 0; n < 100; n++) assertEquals(log.get(`b${n}`)?.length, 100);
  const sequences = log.records().flat().map((record) => parseInt(record));
  assertEquals(sequences, Array.from({ length: 299 }, (_, i) => i + 1));
  log.assertConsistent();
});

Deno.test("LogWriter.ticket tells the last append of this instance", () => {
  using log = new TempLog();
  const other = log.newWriter();
  log.write(["a", "1"], ["b", "2"]);
  const { ticket } = log.writer;
  assertEquals(ticket, log.control.appendedTicket);
  other.write([toWrite(["c", "3"])]);
  assert(other.ticket > ticket);
  assertEquals(log.writer.ticket, ticket);
  assertEquals(log.newWriter().ticket, other.ticket);
});

Deno.test("LogWriter.ticket goes on beyond 32 bits", async () => {
  using log = new TempLog();
  using _disk = new FaultyDisk(log.directory);
  for (const sequence of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 47]) {
    log.write(["before", "1"]);
    await log.sync();
    assert(log.control.isSynced(log.writer.ticket));
    // As if so many appends had been made since.
    log.control.sequence = sequence;
    for (let n = 0; n < 4; n++) {
      log.write(["after", `${n}`]);
      assert(!log.control.isSynced(log.writer.ticket), `${sequence} + ${n}`);
    }
  }
});

Deno.test("LogWriter.write() fails only the writes that the index has no room for", () => {
  using log = new TempLog({ indexBytes: 2 ** 18 });
  let count = 0;
  // There may be room for one key and none for another, as their hashes fall.
  for (let n = 0, denied = 0; denied < 200; n++) {
    if (log.write([`key ${n}`, "v"])[0] === true) count++;
    else denied++;
  }
  // The height of a node is drawn anew at each try, so even a key that has just
  // been denied may fit; a long one does not.
  const long = "a much longer key than the others".repeat(1_000);
  const before = log.records().flat().length;
  const [denied, overwritten, removed, deniedToo] = log.write(
    [long, "v"],
    ["key 1", "w"],
    ["key 2"],
    ["a much longer key than the one removed".repeat(1_000), "v"],
  );
  assertInstanceOf(denied, IndexFullError);
  assertEquals([overwritten, removed], [true, true]);
  assertInstanceOf(deniedToo, IndexFullError);
  assertEquals(log.get(long), undefined);
  assertEquals(log.get("key 1"), "w");
  assertEquals(log.get("key 2"), undefined);
  assertEquals(log.index.size, count - 1);
  // Nor is there anything of them in the log.
  assertEquals(log.records().flat().length, before + 2);
  log.write(...Array.from({ length: 200 }, (_, n): [string] => [`key ${n}`]));
  assertEquals(log.write(["new 1", "v"]), [true]);
  log.assertConsistent();
});

Deno.test("LogWriter.write() refuses a key that is too long, and no other", () => {
  using log = new TempLog();
  const outcomes = log.writer.write([
    toWrite(["a", "1"]),
    { key: new Uint8Array(2 ** 24 + 1), value: bytes("x") },
    toWrite(["b", "2"]),
  ]);
  assertEquals(outcomes[0], true);
  assertInstanceOf(outcomes[1], RangeError);
  assertEquals(outcomes[2], true);
  assertEquals(log.records().flat(), ["1 a=1", "2 b=2"]);
});

Deno.test("LogWriter.write() takes a failed append back whole", () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  log.write(["a", "1"], ["gone", "x"], ["gone"]);
  const used = log.index.usedBytes;
  const segment = log.control.segments.get(1);
  disk.halfWrites = true;
  disk.failAll("writeSync");
  for (const batch of [[["a", "2"], ["gone", "3"]], [["a"]]]) {
    const outcomes = log.write(...batch as [string, string?][]);
    for (const outcome of outcomes) assertInstanceOf(outcome, InjectedFault);
  }
  disk.heal();
  assertEquals(log.get("a"), "1");
  assertEquals(log.get("gone"), undefined);
  assertEquals(log.index.usedBytes, used);
  assertEquals(log.control.segments.get(1), segment);
  assertEquals(log.records(), [["1 a=1", "2 gone=x", "3 -gone"]]);
  // And then goes on where it was.
  assertEquals(log.write(["a", "4"], ["b", "5"]), [true, true]);
  assertEquals(log.records()[0].slice(3), ["4 a=4", "5 b=5"]);
  log.assertConsistent();
});

Deno.test("LogWriter.write() keeps what was appended before the failure in one batch", () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  // The removal is an append of its own, and so is what follows it.
  log.write(["a", "1"]);
  let writes = 0;
  disk.onStep = ({ call }) => {
    if (call === "writeSync" && ++writes === 3) throw new InjectedFault();
  };
  const [first, removed, last] = log.write(["b", "2"], ["a"], ["c", "3"]);
  assertEquals([first, removed], [true, true]);
  assertInstanceOf(last, InjectedFault);
  assertEquals(log.records(), [["1 a=1", "2 b=2", "3 -a"]]);
  assertEquals(log.write(["c", "4"]), [true]);
  assertEquals(log.records(), [["1 a=1", "2 b=2", "3 -a", "4 c=4"]]);
});

Deno.test("LogWriter.write() refuses to write behind an end it does not know", () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  log.write(["a", "1"]);
  disk.halfWrites = true;
  disk.failAll("writeSync", "file.truncateSync");
  assertInstanceOf(log.write(["b", "2"])[0], InjectedFault);
  disk.heal();
  for (const writer of [log.writer, log.newWriter()]) {
    const outcomes = writer.write([toWrite(["c", "3"]), toWrite(["a"])]);
    for (const outcome of outcomes) {
      assertInstanceOf(outcome, WritesRefusedError);
    }
  }
  assertEquals(log.get("a"), "1");
  assertEquals(log.index.size, 1);
});

Deno.test("LogWriter.write() writes nothing more of a batch behind an end it does not know", () => {
  using directory = new TempDirectory();
  const batch = [
    ["a", "A".repeat(900_000)],
    ["b", "B".repeat(300_000)],
    ["c", "C"],
  ].map(([key, value]) => toWrite([key, value]));
  {
    using log = new TestLog(directory.path);
    using disk = new FaultyDisk(directory.path);
    log.write(["b", "old"]);
    disk.halfWrites = true;
    let writes = 0;
    disk.onStep = ({ call }) => {
      if (call === "file.truncateSync") throw new InjectedFault();
      if (call === "writeSync" && ++writes === 1) throw new InjectedFault();
    };
    const outcomes = log.writer.write(batch);
    assertInstanceOf(outcomes[0], InjectedFault);
    assertInstanceOf(outcomes[1], WritesRefusedError);
    assertInstanceOf(outcomes[2], WritesRefusedError);
    assertEquals(writes, 1);
    assertEquals(log.get("b"), "old");
  }
  using again = new TestLog(directory.path);
  assertEquals(again.entries(), new Map([["b", "old"]]));
});

Deno.test("LogWriter gives the space of a segment back that others have sealed and removed", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  const idle = log.newWriter();
  idle.write([toWrite(["a", "1"])]);
  const [first] = log.ids;
  log.write(["a", "x".repeat(4_000)]);
  log.compact();
  assert(!log.ids.includes(first));
  if (Deno.build.os !== "linux") return;
  const held = () =>
    [...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`) ===
          `${segmentPath(log.directory, first)} (deleted)`;
      } catch {
        return false;
      }
    });
  assert(held());
  await until("an idle writer to let go of the segment", () => !held());
});

Deno.test("LogWriter.write() goes on in the old segment where no new one can be made", () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  log.write(["a", "x".repeat(4_000)]);
  for (const halfWrites of [false, true]) {
    for (const call of ["openSync", "writeSync"] as const) {
      disk.halfWrites = halfWrites;
      disk.failAll(call);
      assertInstanceOf(
        log.write(["b", "y".repeat(100)])[0],
        InjectedFault,
      );
      disk.heal();
    }
  }
  assertEquals(log.ids, [1]);
  assertEquals(log.write(["c", "z"]), [true]);
  assertEquals(log.records().map((records) => records.length), [2]);
  assertEquals(log.write(["b", "y".repeat(100)]), [true]);
  assertEquals(log.records().map((records) => records.length), [2, 1]);
  const [id] = log.ids.slice(1);
  assertEquals(
    log.control.segments.get(id).sizeBytes,
    SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + 101,
  );
});

Deno.test("LogWriter.write() frees the lock whatever happens", () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  disk.failAll("openSync");
  log.write(["a", "1"]);
  disk.heal();
  log.control.locked(() => {});
  assertThrows(() =>
    log.control.locked(() => {
      throw new Error("failed");
    })
  );
  assertEquals(log.write(["a", "1"]), [true]);
});
