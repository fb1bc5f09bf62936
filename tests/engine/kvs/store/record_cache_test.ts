import { crc32 } from "node:zlib";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NO_VERSION } from "../../../../engine/kvs/index/versions.ts";
import {
  encodeRecord,
  KEY_LENGTH_AT,
  putUint32,
  RECORD_HEADER_BYTES,
  recordLength,
} from "../../../../engine/kvs/log/record.ts";
import { RecordCache } from "../../../../engine/kvs/store/record_cache.ts";
import { CorruptionError } from "../../../../engine/errors.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { SegmentReaders } from "../../../../engine/kvs/log/segment_readers.ts";
import {
  emptyPointer,
  type LogPointer,
} from "../../../../engine/kvs/index/log_pointer.ts";
import { bytes, TempDirectory } from "../_helpers.ts";

/** A cache of the records that {@linkcode writeRecords} has written. */
class TestCache extends RecordCache implements Disposable {
  /** Reads a record for one who does not know its key's version. */
  readAt(pointer: LogPointer): Uint8Array {
    const key = keyAt(pointer);
    return this.read(pointer, key, crc32(key), NO_VERSION);
  }

  /** Reads the value behind a pointer that was found at a version. */
  readValue(pointer: LogPointer, version: number): Uint8Array {
    const key = keyAt(pointer);
    const valueAt = RECORD_HEADER_BYTES + key.length;
    return this.read(pointer, key, crc32(key), version, valueAt);
  }

  /** Reads the value of a key, if it is known to be the newest, both ways. */
  readNewest(key: Uint8Array, version: number): Uint8Array | undefined {
    const value = this.readCurrent(key, crc32(key), version);
    const text = value && new TextDecoder().decode(value);
    assertEquals(this.readCurrentText(key, crc32(key), version), text);
    return value;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A cache whose files are closed at the end of the block. */
function openCache(directory: string, sizeBytes: number): TestCache {
  const files = new SegmentReaders(directory);
  return new TestCache(directory, sizeBytes, files, (key) => crc32(key));
}

/** The key of the record there. */
function keyAt({ segment, sequence }: LogPointer): Uint8Array {
  return bytes(`key ${segment} ${sequence - 1}`);
}

/**
 * A file of records, and where they are. A number stands for a value of so many
 * bytes.
 */
function writeRecords(
  directory: string,
  segment: number,
  values: readonly (number | Uint8Array)[],
): { pointers: LogPointer[]; records: Uint8Array[] } {
  const pointers: LogPointer[] = [];
  const records: Uint8Array[] = [];
  let offset = 16;
  for (const [i, given] of values.entries()) {
    const key = keyAt({ ...emptyPointer(), segment, sequence: i + 1 });
    const value = typeof given === "number"
      ? new Uint8Array(given).fill(i)
      : given;
    const length = recordLength(key.length, value.length);
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
  fc.assert(
    fc.property(reads, sizes, (reads, sizeBytes) => {
      using cache = openCache(directory.path, sizeBytes);
      for (const [file, i] of reads) {
        const { pointers, records } = files[file];
        assertEquals(cache.readAt(pointers[i]), records[i]);
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
  once.forEach((pointer) => cache.readAt(pointer));
  Deno.removeSync(segmentPath(directory.path, 1));
  cache.close();
  let hits = 0;
  for (const [i, pointer] of once.entries()) {
    try {
      assertEquals(cache.readAt(pointer), records[i]);
      hits++;
    } catch (error) {
      // Two records may want the same place in the table.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  assertEquals(hits > 55, true, `${hits} of 60 were kept`);
  assertThrows(() => cache.readAt(pointers[80]), Deno.errors.NotFound);
});

Deno.test("RecordCache.read() keeps what is read again and again", () => {
  using directory = new TempDirectory();
  const lengths = new Array(2_000).fill(100);
  const { pointers, records } = writeRecords(directory.path, 1, lengths);
  // Room for some 400 of the 2,000.
  using cache = openCache(directory.path, 400 * 144);
  for (let i = 1; i < 2_000; i++) {
    cache.readAt(pointers[i]);
    if (i % 100 === 0) assertEquals(cache.readAt(pointers[0]), records[0]);
  }
  Deno.removeSync(segmentPath(directory.path, 1));
  cache.close();
  assertEquals(cache.readAt(pointers[0]), records[0]);
  assertThrows(() => cache.readAt(pointers[1]), Deno.errors.NotFound);
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
      () => cache.readAt(pointers[1]),
      CorruptionError,
      `at offset ${pointers[1].offset}: record does not match its checksum`,
    );
    cache.readAt(pointers[0]);
  }
});

Deno.test("RecordCache.read() returns no record of another key or another write", () => {
  using directory = new TempDirectory();
  const { pointers } = writeRecords(directory.path, 1, [100, 100, 0]);
  const [first, second, empty] = pointers;
  for (const sizeBytes of [0, 2 ** 16]) {
    for (const isWarm of [false, true]) {
      const reads = [
        [first, keyAt(second)],
        [{ ...second, sequence: 9 }, keyAt(second)],
        // It would begin as this one's key does.
        [empty, keyAt(empty).subarray(1)],
        [empty, keyAt(empty).subarray(0, 5)],
      ] as const;
      for (const [pointer, key] of reads) {
        using cache = openCache(directory.path, sizeBytes);
        if (isWarm) [first, empty].forEach((known) => cache.readAt(known));
        const hash = crc32(keyAt(pointer));
        assertThrows(
          () => cache.read(pointer, key, hash, NO_VERSION),
          CorruptionError,
          "record is not the one written here",
        );
        const many = Array.from({ length: 100 }, () => ({ key, pointer }));
        for (const entries of [many.slice(0, 1), many]) {
          assertThrows(
            () => cache.readValues(entries),
            CorruptionError,
            "record is not the one written here",
          );
        }
      }
    }
  }
});

Deno.test("RecordCache.readCurrent() knows what was read at the same version, and of the same key", () => {
  using directory = new TempDirectory();
  const { pointers } = writeRecords(directory.path, 1, [100, 0, 100, 100]);
  using cache = openCache(directory.path, 2 ** 16);
  const [first, empty, unknown, changing] = pointers;
  const value = cache.readValue(first, 4).slice();
  cache.readValue(empty, 6);
  cache.readAt(unknown);
  cache.readValue(changing, 7);
  assertEquals(cache.readNewest(keyAt(first), 4), value);
  assertEquals(cache.readNewest(keyAt(empty), 6), new Uint8Array());
  assertEquals(cache.readNewest(keyAt(first), 2), undefined);
  assertEquals(cache.readNewest(keyAt(first), 6), undefined);
  assertEquals(cache.readNewest(keyAt(unknown), NO_VERSION), undefined);
  assertEquals(cache.readNewest(keyAt(unknown), 0), undefined);
  assertEquals(cache.readNewest(keyAt(changing), 7), undefined);
  const asFirst = (key: Uint8Array) =>
    cache.readCurrent(key, crc32(keyAt(first)), 4);
  const { length } = keyAt(first);
  assertEquals(asFirst(keyAt(first)), value);
  assertEquals(asFirst(keyAt(first).subarray(1)), undefined);
  assertEquals(asFirst(keyAt(first).subarray(0, length - 1)), undefined);
  assertEquals(asFirst(bytes("key 1 00")), undefined);
  assertEquals(asFirst(bytes("kex 1 0")), undefined);
  assertEquals(asFirst(bytes("key 1 1")), undefined);
  // Who does not know the version leaves the one that is known.
  cache.readAt(first);
  assertEquals(cache.readNewest(keyAt(first), 4), value);
  cache.readValue(first, 8);
  assertEquals(cache.readNewest(keyAt(first), 4), undefined);
  assertEquals(cache.readNewest(keyAt(first), 8), value);
});

Deno.test("RecordCache.readCurrent() knows what is kept, and leaves the rest to read()", () => {
  using directory = new TempDirectory();
  const lengths = Array.from({ length: 120 }, (_, i) => i * 37 % 150);
  const { pointers } = writeRecords(directory.path, 1, lengths);
  const sizes = fc.constantFrom(0, 4, 100, 3_000, 20_000, 10 ** 6);
  const reads = fc.array(fc.nat(lengths.length - 1), {
    maxLength: 400,
    size: "max",
  });
  fc.assert(
    fc.property(reads, sizes, (reads, sizeBytes) => {
      using cache = openCache(directory.path, sizeBytes);
      for (const i of reads) {
        const version = i * 2;
        const known = cache.readNewest(keyAt(pointers[i]), version);
        assertEquals(
          known ?? cache.readValue(pointers[i], version),
          new Uint8Array(lengths[i]).fill(i),
        );
      }
    }),
    { numRuns: 60 },
  );
  // What fits is known the second time, whatever was read in between.
  using cache = openCache(directory.path, 10 ** 6);
  const all = pointers.map((_, i) => i);
  for (const i of all) cache.readValue(pointers[i], i * 2);
  const known = all.filter((i) =>
    cache.readNewest(keyAt(pointers[i]), i * 2) !== undefined
  );
  // Two records may want the same place in the table.
  assert(known.length > 110, `${known.length} of 120 are known`);
});

Deno.test("RecordCache.readCurrent() leaves what half the ring has been written since to read(), which keeps it", () => {
  using directory = new TempDirectory();
  const { pointers } = writeRecords(directory.path, 1, Array(400).fill(100));
  // Room for some 400.
  using cache = openCache(directory.path, 400 * 144);
  const [first, ...others] = pointers;
  cache.readValue(first, 2);
  for (const pointer of others.slice(0, 150)) cache.readAt(pointer);
  assert(cache.readNewest(keyAt(first), 2) !== undefined);
  for (const pointer of others.slice(150, 250)) cache.readAt(pointer);
  assertEquals(cache.readNewest(keyAt(first), 2), undefined);
  cache.readValue(first, 2);
  for (const pointer of others.slice(250)) cache.readAt(pointer);
  assert(cache.readNewest(keyAt(first), 2) !== undefined);
});

Deno.test("RecordCache.readCurrent() does not take a value for an entry that was in its place", () => {
  using directory = new TempDirectory();
  const key = keyAt({ ...emptyPointer(), segment: 1, sequence: 2 });
  const version = 2;
  // The first record takes 28 bytes in the ring and 16 for where it lies, so
  // the second begins at 44. Another that comes to the beginning of the ring
  // has a value in that place that looks like the second.
  const likeEntry = new Uint8Array(400);
  const entryAt = 44 - 16 - recordLength("key 1 00".length, 0);
  putUint32(likeEntry, entryAt + 8, 200);
  putUint32(likeEntry, entryAt + 12, version);
  putUint32(likeEntry, entryAt + 16 + KEY_LENGTH_AT, key.length);
  likeEntry.set(key, entryAt + 16 + RECORD_HEADER_BYTES);
  const { pointers } = writeRecords(directory.path, 1, [
    1,
    100,
    ...Array(200).fill(likeEntry),
  ]);
  using cache = openCache(directory.path, 64 * 448);
  cache.readAt(pointers[0]);
  const value = cache.readValue(pointers[1], version);
  assertEquals(value, new Uint8Array(100).fill(1));
  for (const pointer of pointers.slice(2)) {
    cache.readAt(pointer);
    const known = cache.readNewest(key, version);
    if (known !== undefined) assertEquals(known, new Uint8Array(100).fill(1));
  }
});
