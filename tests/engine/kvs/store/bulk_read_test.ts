import { assert, assertEquals, assertThrows } from "@std/assert";
import { readValues } from "../../../../engine/kvs/store/bulk_read.ts";
import {
  encodeRecord,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import { CorruptionError } from "../../../../engine/errors.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { SegmentReaders } from "../../../../engine/kvs/log/segment_readers.ts";
import type { Entry } from "../../../../engine/kvs/index/entries.ts";
import { bytes, Random, TempDirectory } from "../_helpers.ts";

/** A value of its own for each place. */
function valueOf(place: number, length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => place * 31 + i);
}

/** Records of some lengths, in several segments, with gaps between them. */
function writeSegments(
  directory: string,
  lengths: readonly number[],
  random: Random,
): Entry[] {
  const contents = new Map<number, Uint8Array>();
  const entries = lengths.map((valueBytes, place): Entry => {
    const segment = 1 + random.below(3);
    const content = contents.get(segment) ?? new Uint8Array(16);
    const key = bytes(`key ${place}`);
    const gap = random.below(10) === 0 ? random.below(40_000) : 0;
    const offset = content.length + gap;
    const length = recordLength(key.length, valueBytes);
    const grown = new Uint8Array(offset + length);
    grown.set(content);
    encodeRecord(grown, offset, place, key, valueOf(place, valueBytes));
    contents.set(segment, grown);
    return { key, pointer: { segment, offset, length, sequence: place } };
  });
  for (const [segment, content] of contents) {
    Deno.writeFileSync(segmentPath(directory, segment), content);
  }
  return entries;
}

/** The places from 0 in an order that says nothing. */
function shuffled(length: number, random: Random): number[] {
  const places = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [places[i], places[j]] = [places[j], places[i]];
  }
  return places;
}

Deno.test("readValues() reads values of any size in any order, and keeps them apart", () => {
  using temporary = new TempDirectory();
  const random = new Random(7);
  const lengths = Array.from(
    { length: 600 },
    (_, i) =>
      i === 300
        ? 3_000_000
        : i === 500
        ? 0
        : random.below(i % 50 === 0 ? 300_000 : 900),
  );
  const entries = writeSegments(temporary.path, lengths, random);
  const files = new SegmentReaders(temporary.path);
  const order = shuffled(entries.length, random);
  const values = readValues(
    temporary.path,
    files,
    order.map((place) => entries[place]),
  );
  files.close();
  for (const [i, place] of order.entries()) {
    // Not assertEquals(), which would take seconds for so many bytes.
    const expected = valueOf(place, lengths[place]);
    const value = values[i];
    assertEquals(value?.length, expected.length);
    assert(expected.every((byte, at) => value![at] === byte), `Value ${place}`);
  }
});

Deno.test("readValues() leaves out what was in a segment that is gone", () => {
  using temporary = new TempDirectory();
  const entries = writeSegments(
    temporary.path,
    Array.from({ length: 100 }, () => 10),
    new Random(7),
  );
  Deno.removeSync(segmentPath(temporary.path, 2));
  const files = new SegmentReaders(temporary.path);
  const values = readValues(temporary.path, files, entries);
  files.close();
  const gone = entries.map(({ pointer }) => pointer.segment === 2);
  assert(gone.includes(true));
  assertEquals(values.map((value) => value === undefined), gone);
});

Deno.test("readValues() names the first record that is not what was written", () => {
  using temporary = new TempDirectory();
  const entries = writeSegments(
    temporary.path,
    Array.from({ length: 100 }, () => 10),
    new Random(7),
  );
  const last = entries.findLast(({ pointer }) => pointer.segment === 1)!;
  const path = segmentPath(temporary.path, 1);
  const { offset, length } = last.pointer;
  const files = new SegmentReaders(temporary.path);
  const failsWith = (reason: string) =>
    assertThrows(
      () => readValues(temporary.path, files, entries),
      CorruptionError,
      `Corrupt data in ${path} at offset ${offset}: ${reason}`,
    );
  Deno.truncateSync(path, offset + length - 1);
  failsWith("file ends within the record");
  Deno.truncateSync(path, offset);
  failsWith("file ends within the record");
  Deno.truncateSync(path, offset + length);
  failsWith("record does not match its checksum");
  files.close();
});
