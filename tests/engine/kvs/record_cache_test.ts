import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encodeRecord, recordLength } from "../../../engine/kvs/record.ts";
import { RecordCache } from "../../../engine/kvs/record_cache.ts";
import { CorruptionError, segmentPath } from "../../../engine/kvs/segment.ts";
import { SegmentFiles } from "../../../engine/kvs/segment_files.ts";
import type { LogPointer } from "../../../engine/kvs/log_pointer.ts";
import { bytes, TempDirectory } from "./_helpers.ts";

/** A cache whose files are closed at the end of the block. */
function openCache(
  directory: string,
  sizeBytes: number,
  finalBytes = 0,
): RecordCache & Disposable {
  const files = new SegmentFiles(directory, () => finalBytes);
  const cache = new RecordCache(directory, sizeBytes, files);
  return Object.assign(cache, { [Symbol.dispose]: () => cache.close() });
}

/** A file of records, and where they are. */
function writeRecords(
  directory: string,
  segment: number,
  valueLengths: readonly number[],
): { pointers: LogPointer[]; records: Uint8Array[] } {
  const pointers: LogPointer[] = [];
  const records: Uint8Array[] = [];
  let offset = 16;
  for (const [i, valueLength] of valueLengths.entries()) {
    const key = bytes(`key ${segment} ${i}`);
    const value = new Uint8Array(valueLength).fill(i);
    const length = recordLength(key.length, valueLength);
    const record = new Uint8Array(length);
    encodeRecord(record, 0, i + 1, key, value);
    pointers.push({ segment, offset, length, sequence: i + 1 });
    records.push(record);
    offset += length;
  }
  const file = new Uint8Array(offset);
  records.forEach((record, i) => file.set(record, pointers[i].offset));
  Deno.writeFileSync(segmentPath(directory, segment), file);
  return { pointers, records };
}

Deno.test("RecordCache.read() returns what the file holds, whatever was read before", () => {
  using directory = new TempDirectory();
  const lengths = Array.from({ length: 120 }, (_, i) => i * 37 % 150);
  lengths.push(5_000, 70_000, 1_500_000);
  const files = [1, 2, 77].map((segment) =>
    writeRecords(directory.path, segment, lengths)
  );
  const reads = fc.array(
    fc.tuple(fc.nat(2), fc.nat(lengths.length - 1)),
    { maxLength: 400 },
  );
  // From none to more than all of the small ones.
  const sizes = fc.constantFrom(0, 4, 100, 3_000, 20_000, 10 ** 6);
  const finals = fc.constantFrom(0, 5_000, 70_000, Infinity);
  fc.assert(
    fc.property(reads, sizes, finals, (reads, sizeBytes, finalBytes) => {
      using cache = openCache(directory.path, sizeBytes, finalBytes);
      for (const [file, i] of reads) {
        const { pointers, records } = files[file];
        assertEquals(cache.read(pointers[i]), records[i]);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("RecordCache.read() does not open a file for what it has", () => {
  using directory = new TempDirectory();
  const lengths = new Array(100).fill(100);
  const { pointers, records } = writeRecords(directory.path, 1, lengths);
  using cache = openCache(directory.path, 2 ** 20);
  const once = pointers.slice(0, 60);
  once.forEach((pointer) => cache.read(pointer));
  Deno.removeSync(segmentPath(directory.path, 1));
  cache.close();
  let hits = 0;
  for (const [i, pointer] of once.entries()) {
    try {
      assertEquals(cache.read(pointer), records[i]);
      hits++;
    } catch (error) {
      // Two records may want the same place in the table.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  assertEquals(hits > 55, true, `${hits} of 60 were kept`);
  assertThrows(() => cache.read(pointers[80]), Deno.errors.NotFound);
});

Deno.test("RecordCache.read() reads ahead while there is room, and no further than is final", () => {
  using directory = new TempDirectory();
  const lengths = new Array(300).fill(100);
  const { pointers, records } = writeRecords(directory.path, 1, lengths);
  const isKept = (cache: RecordCache, i: number) => {
    try {
      assertEquals(cache.read(pointers[i]), records[i]);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return false;
    }
  };
  using cache = openCache(directory.path, 2 ** 20, pointers[50].offset);
  using full = openCache(directory.path, 2 ** 15, Infinity);
  cache.read(pointers[20]);
  // More than it has room for.
  for (let i = 0; i < 300; i++) full.read(pointers[i]);
  full.read(pointers[0]);
  Deno.removeSync(segmentPath(directory.path, 1));
  cache.close();
  full.close();
  const kept = pointers.flatMap((_, i) => isKept(cache, i) ? [i] : []);
  assertEquals(kept, Array.from({ length: 30 }, (_, i) => 20 + i));
  assertEquals(isKept(full, 0), true);
  assertEquals(isKept(full, 1), false);
});

Deno.test("RecordCache.read() keeps what is read again and again", () => {
  using directory = new TempDirectory();
  const lengths = new Array(2_000).fill(100);
  const { pointers, records } = writeRecords(directory.path, 1, lengths);
  // Room for some 400 of the 2,000.
  using cache = openCache(directory.path, 400 * 144);
  for (let i = 1; i < 2_000; i++) {
    cache.read(pointers[i]);
    if (i % 100 === 0) assertEquals(cache.read(pointers[0]), records[0]);
  }
  Deno.removeSync(segmentPath(directory.path, 1));
  cache.close();
  assertEquals(cache.read(pointers[0]), records[0]);
  assertThrows(() => cache.read(pointers[1]), Deno.errors.NotFound);
});

Deno.test("RecordCache.read() says so where the record is not sound, each time", () => {
  using directory = new TempDirectory();
  const { pointers } = writeRecords(directory.path, 1, [100, 100]);
  const path = segmentPath(directory.path, 1);
  const content = Deno.readFileSync(path);
  content[pointers[1].offset + 60] ^= 1;
  Deno.writeFileSync(path, content);
  using cache = openCache(directory.path, 2 ** 16);
  for (let attempt = 0; attempt < 3; attempt++) {
    assertThrows(
      () => cache.read(pointers[1]),
      CorruptionError,
      `at offset ${pointers[1].offset}: record does not match its checksum`,
    );
    cache.read(pointers[0]);
  }
});
