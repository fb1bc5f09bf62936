import { assert, assertEquals, assertThrows } from "@std/assert";
import { cpuMs } from "../../../_cpu_time.ts";
import { writeAll } from "../../../../engine/files.ts";
import {
  encodeRecord,
  putUint32,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import { CorruptionError } from "../../../../engine/errors.ts";
import {
  createSegment,
  listSegments,
  readBytes,
  scanSegment,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  soundRecord,
} from "../../../../engine/kvs/log/segment.ts";
import { bytes, TempDirectory, text } from "../_helpers.ts";

/** A record of a test: key, value (a tombstone without), sequence number. */
type Written = readonly [key: string, value: string | undefined, seq: number];

function encoded([key, value, sequence]: Written): Uint8Array {
  const keyBytes = bytes(key);
  const valueBytes = value === undefined ? undefined : bytes(value);
  const record = new Uint8Array(
    recordLength(keyBytes.length, valueBytes?.length ?? 0),
  );
  encodeRecord(record, 0, sequence, keyBytes, valueBytes);
  return record;
}

/** Writes a segment, and says where its records begin and the last one ends. */
function writeSegment(
  directory: string,
  id: number,
  records: readonly Written[],
): { path: string; offsets: number[] } {
  using file = createSegment(directory, id);
  const offsets = [SEGMENT_HEADER_BYTES];
  for (const record of records) {
    const written = encoded(record);
    writeAll(file, written);
    offsets.push(offsets[offsets.length - 1] + written.length);
  }
  return { path: segmentPath(directory, id), offsets };
}

/** Scans a segment, and says what was visited in the form it was written in. */
function scan(path: string, id: number, from?: number) {
  const sound: Written[] = [];
  const unsound: string[] = [];
  const offsets: number[] = [];
  const result = scanSegment(path, id, (header, offset, record, isSound) => {
    const key = text(record.subarray(20, 20 + header.keyLength));
    const value = text(record.subarray(20 + header.keyLength));
    offsets.push(offset);
    if (!isSound) unsound.push(key);
    else {
      sound.push([
        key,
        header.tombstone ? undefined : value,
        header.sequence,
      ]);
    }
  }, { from });
  return { ...result, sound, unsound, offsets };
}

/** Each of the first with each of the second. */
function cross<A, B>(first: readonly A[], second: readonly B[]): [A, B][] {
  return first.flatMap((a) => second.map((b): [A, B] => [a, b]));
}

function flip(path: string, at: number, mask = 1): void {
  const content = Deno.readFileSync(path);
  content[at] ^= mask;
  Deno.writeFileSync(path, content);
}

const RECORDS: readonly Written[] = [
  ["a", "first", 1],
  ["b", "second", 2],
  ["a", undefined, 3],
  ["", "", 4],
  ["long".repeat(20), "value".repeat(30), 5],
];

Deno.test("createSegment() makes a file that begins with the documented header", () => {
  using directory = new TempDirectory();
  createSegment(directory.path, 0x0403_0201).close();
  const content = Deno.readFileSync(segmentPath(directory.path, 0x0403_0201));
  assertEquals(content.length, SEGMENT_HEADER_BYTES);
  assertEquals(
    [...content.subarray(0, 12)],
    [...bytes("KVSLOG"), 1, 0, 1, 2, 3, 4],
  );
  if (Deno.build.os !== "windows") {
    const { mode } = Deno.statSync(segmentPath(directory.path, 0x0403_0201));
    assertEquals(mode! & 0o777, 0o600);
  }
});

Deno.test("createSegment() never overwrites a segment", () => {
  using directory = new TempDirectory();
  const { path } = writeSegment(directory.path, 1, RECORDS);
  const before = Deno.readFileSync(path);
  assertThrows(
    () => createSegment(directory.path, 1),
    Deno.errors.AlreadyExists,
  );
  assertEquals(Deno.readFileSync(path), before);
});

Deno.test("listSegments() lists segments by file id and nothing else", () => {
  using directory = new TempDirectory();
  for (const id of [10, 9, 1, 2 ** 32 - 1]) {
    createSegment(directory.path, id).close();
  }
  for (
    const name of [
      "ENGINE",
      "1.hint",
      "01.log",
      "0.log",
      "-3.log",
      "3.log.tmp",
      "x3.log",
      "4294967296.log",
      "1e1.log",
    ]
  ) Deno.writeTextFileSync(`${directory.path}/${name}`, "");
  Deno.mkdirSync(`${directory.path}/7.log`);
  assertEquals(listSegments(directory.path), [1, 9, 10, 2 ** 32 - 1]);
});

Deno.test("scanSegment() visits every record in order", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  const found = scan(path, 3);
  assertEquals(found.sound, RECORDS);
  assertEquals(found.offsets, offsets.slice(0, -1));
  assertEquals(found.damage, []);
  assertEquals(found.tailOffset, found.sizeBytes);
  assertEquals(found.sizeBytes, offsets[offsets.length - 1]);
});

Deno.test("scanSegment() visits records that are larger than its window", () => {
  using directory = new TempDirectory();
  const records: Written[] = [
    ["small", "x", 1],
    ["large", "y".repeat(3 * 2 ** 20), 2],
    ["across", "z".repeat(2 ** 20 - 100), 3],
    ["small", "x", 4],
  ];
  const { path } = writeSegment(directory.path, 1, records);
  const found = scan(path, 1);
  assertEquals(found.sound.length, 4);
  assertEquals(found.sound, records);
});

Deno.test("scanSegment() begins where it is told to", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  assertEquals(scan(path, 3, offsets[2]).sound, RECORDS.slice(2));
  const end = offsets[offsets.length - 1];
  assertEquals(scan(path, 3, end).sound, []);
  assertEquals(scan(path, 3, end).tailOffset, end);
});

Deno.test("scanSegment() finds the unfinished write at every length of the file", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  for (let size = offsets[offsets.length - 1]; size >= 0; size--) {
    Deno.truncateSync(path, size);
    const found = scan(path, 3);
    const whole = offsets.filter((offset) => offset <= size);
    assertEquals(found.damage, [], `size ${size}`);
    assertEquals(found.sizeBytes, size);
    if (size < SEGMENT_HEADER_BYTES) assertEquals(found.tailOffset, 0);
    else {
      assertEquals(found.tailOffset, whole[whole.length - 1]);
      assertEquals(found.sound, RECORDS.slice(0, whole.length - 1));
    }
  }
});

Deno.test("scanSegment() takes zeros at the end for an unfinished write", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  const end = offsets[offsets.length - 1];
  for (const zeros of [1, 19, 20, 21, 40, 4_096, 2 * 2 ** 20]) {
    Deno.truncateSync(path, end);
    Deno.truncateSync(path, end + zeros);
    const found = scan(path, 3);
    assertEquals(found.damage, [], `${zeros} zeros`);
    assertEquals(found.tailOffset, end);
    assertEquals(found.sound, RECORDS);
  }
});

Deno.test("scanSegment() shows a damaged record between sound ones as unsound", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  flip(path, offsets[1] + 21); // In the value of "b".
  const found = scan(path, 3);
  assertEquals(found.sound, RECORDS.filter((_, i) => i !== 1));
  assertEquals(found.unsound, ["b"]);
  assertEquals(found.tailOffset, found.sizeBytes);
  assertEquals(found.damage, [{
    path,
    offset: offsets[1],
    length: offsets[2] - offsets[1],
    reason: "record does not match its checksum",
  }]);
});

Deno.test("scanSegment() finds the next record where lengths are damaged", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  for (const [at, mask] of [[12, 1], [12, 128], [19, 128], [16, 2]]) {
    flip(path, offsets[1] + at, mask);
    const found = scan(path, 3);
    assertEquals(found.sound, RECORDS.filter((_, i) => i !== 1));
    assertEquals(found.unsound, []);
    assertEquals(found.damage, [{
      path,
      offset: offsets[1],
      length: offsets[2] - offsets[1],
      reason: "bytes are no record",
    }]);
    flip(path, offsets[1] + at, mask);
  }
});

Deno.test("scanSegment() reports a record that is in the file twice, and visits one", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  const content = Deno.readFileSync(path);
  const doubled = new Uint8Array(content.length + offsets[2] - offsets[1]);
  doubled.set(content);
  doubled.set(content.subarray(offsets[1], offsets[2]), content.length);
  Deno.writeFileSync(path, doubled);
  const found = scan(path, 3);
  assertEquals(found.sound, RECORDS);
  assertEquals(found.damage, [{
    path,
    offset: content.length,
    length: offsets[2] - offsets[1],
    reason: "sequence number 2 is in the file already",
  }]);
});

Deno.test("scanSegment() does not take up a record in a damaged one's value", () => {
  // With numbers as a log, and a compaction, have them; the last two records
  // fit in both.
  const padding = "x".repeat(50);
  const logs = [[1, 2, 3, 4], [90, 7, 300, 301]];
  // Its length says more than there is, or ends where the record begins.
  const claims = [2 ** 16, padding.length];
  for (const [numbers, claim] of cross(logs, claims)) {
    using directory = new TempDirectory();
    const inner = encoded(["a", "evil", 4_000]);
    const value = `${padding}${String.fromCharCode(...inner)}${padding}`;
    const records: Written[] = numbers.map((sequence, i) => [
      `key ${i}`,
      i === 1 ? "" : "value",
      sequence,
    ]);
    const id = numbers[0];
    const { path, offsets } = writeSegment(directory.path, id, records);
    const content = Deno.readFileSync(path);
    const holder = new Uint8Array(recordLength(5, value.length));
    const valueBytes = Uint8Array.from(value, (char) => char.charCodeAt(0));
    encodeRecord(holder, 0, numbers[1], bytes("key 1"), valueBytes);
    putUint32(holder, 16, claim);
    Deno.writeFileSync(
      path,
      new Uint8Array([
        ...content.subarray(0, offsets[1]),
        ...holder,
        ...content.subarray(offsets[2]),
      ]),
    );
    const found = scan(path, id);
    assertEquals(found.sound, records.filter((_, i) => i !== 1));
    assertEquals(found.damage.length, 1);
  }
});

Deno.test("scanSegment() reports a header of another segment, and reads on", () => {
  using directory = new TempDirectory();
  const { path } = writeSegment(directory.path, 3, RECORDS);
  Deno.renameSync(path, segmentPath(directory.path, 4));
  const found = scan(segmentPath(directory.path, 4), 4);
  assertEquals(found.damage, [{
    path: segmentPath(directory.path, 4),
    offset: 0,
    length: SEGMENT_HEADER_BYTES,
    reason: "segment header is not what was written",
  }]);
  assertEquals(found.sound, RECORDS);
});

Deno.test("scanSegment() gives up a stretch that looks like ever new records", () => {
  using directory = new TempDirectory();
  // At every fifth byte of the value begins what could be the header of a
  // record of half a megabyte, each of which has to be read to know better.
  const value = "\b\0\0\0\0".repeat(2 ** 18);
  const records: Written[] = [["a", "first", 1], ["b", value, 2]];
  const { path, offsets } = writeSegment(directory.path, 1, [
    ...records,
    ["c", "third", 3],
  ]);
  flip(path, offsets[1] + 16);
  const startMs = cpuMs();
  const found = scan(path, 1);
  const tookMs = cpuMs() - startMs;
  assert(tookMs < 10_000, `took ${Math.round(tookMs)} ms`);
  assertEquals(found.sound, records.slice(0, 1));
  // Not an unfinished write: nothing may be cut off.
  assertEquals(found.tailOffset, found.sizeBytes);
  assertEquals(found.damage, [{
    path,
    offset: offsets[1],
    length: found.sizeBytes - offsets[1],
    reason: "no record found in what follows",
  }]);
});

/** Reads one record, checked. */
function readRecord(
  file: Deno.FsFile,
  path: string,
  offset: number,
  into: Uint8Array,
): void {
  soundRecord(readBytes(file, offset, into), into.length, path, offset);
}

Deno.test("soundRecord() tells what was written from what was not", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  using file = Deno.openSync(path);
  RECORDS.forEach((record, i) => {
    const into = new Uint8Array(offsets[i + 1] - offsets[i]);
    readRecord(file, path, offsets[i], into);
    assertEquals(into, encoded(record));
  });
  flip(path, offsets[1] + 22);
  assertThrows(
    () => readRecord(file, path, offsets[1], new Uint8Array(27)),
    CorruptionError,
    `Corrupt data in ${path} at offset ${
      offsets[1]
    }: record does not match its checksum`,
  );
});

Deno.test("soundRecord() says so where the file ends within the record", () => {
  using directory = new TempDirectory();
  const { path, offsets } = writeSegment(directory.path, 3, RECORDS);
  const last = offsets[offsets.length - 2];
  Deno.truncateSync(path, last + 30);
  using file = Deno.openSync(path);
  assertThrows(
    () => readRecord(file, path, last, new Uint8Array(60)),
    CorruptionError,
    "file ends within the record",
  );
});
