import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BlockCache } from "../../../engine/kvs/block_cache.ts";
import type { LogPointer } from "../../../engine/kvs/log_pointer.ts";
import { CorruptionError, segmentPath } from "../../../engine/kvs/segment.ts";
import { TempDirectory } from "./_helpers.ts";

/** Bytes that tell where they stand. */
function content(length: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length },
    (_, i) => Math.imul(i + seed, 2_654_435_761) >>> 24,
  );
}

function pointer(segment: number, offset: number, length: number): LogPointer {
  return { segment, offset, length, sequence: 1 };
}

Deno.test("BlockCache.read() returns what the file holds, whatever was read before", () => {
  using directory = new TempDirectory();
  const files = [content(50_000, 1), content(9_000, 7)];
  files.forEach((bytes, i) =>
    Deno.writeFileSync(segmentPath(directory.path, i + 1), bytes)
  );
  const reads = fc.array(
    fc.record({
      file: fc.nat(1),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.oneof(fc.nat(300), fc.nat(20_000)),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(reads, fc.constantFrom(0, 1, 2, 5, 64), (reads, frames) => {
      const cache = new BlockCache(
        directory.path,
        frames * 4096,
        (segment) => files[segment - 1].length,
      );
      for (const { file, at, length } of reads) {
        const bytes = files[file];
        const size = Math.min(length, bytes.length);
        const offset = Math.floor(at * (bytes.length - size));
        assertEquals(
          cache.read(pointer(file + 1, offset, size)),
          bytes.subarray(offset, offset + size),
        );
      }
    }),
  );
});

Deno.test("BlockCache.read() does not open a file for what it has", () => {
  using directory = new TempDirectory();
  const path = segmentPath(directory.path, 1);
  const bytes = content(10_000, 3);
  Deno.writeFileSync(path, bytes);
  const cache = new BlockCache(directory.path, 2 ** 16, () => bytes.length);
  cache.read(pointer(1, 100, 50));
  cache.read(pointer(1, 4_000, 200));
  Deno.removeSync(path);
  assertEquals(cache.read(pointer(1, 0, 4_096)), bytes.subarray(0, 4_096));
  assertEquals(cache.read(pointer(1, 4_090, 10)), bytes.subarray(4_090, 4_100));
  assertThrows(
    () => cache.read(pointer(1, 9_000, 10)),
    Deno.errors.NotFound,
  );
});

Deno.test("BlockCache.read() keeps no byte that was not published yet", () => {
  using directory = new TempDirectory();
  const path = segmentPath(directory.path, 1);
  const bytes = content(300, 3);
  Deno.writeFileSync(path, bytes);
  let published: number | undefined = 100;
  const cache = new BlockCache(directory.path, 2 ** 16, () => published);
  assertEquals(cache.read(pointer(1, 0, 100)), bytes.subarray(0, 100));
  // A failed append was cut off, and another came in its place.
  const other = content(300, 9);
  other.set(bytes.subarray(0, 100));
  Deno.writeFileSync(path, other);
  published = 300;
  assertEquals(cache.read(pointer(1, 100, 50)), other.subarray(100, 150));
  // A segment that has gone from the table: only what the pointer vouches for.
  published = undefined;
  assertEquals(cache.read(pointer(1, 100, 200)), other.subarray(100, 300));
});

Deno.test("BlockCache.read() says so where the file ends too early", () => {
  using directory = new TempDirectory();
  Deno.writeFileSync(segmentPath(directory.path, 1), content(500, 1));
  for (const sizeBytes of [0, 2 ** 16]) {
    const cache = new BlockCache(directory.path, sizeBytes, () => undefined);
    for (let attempt = 0; attempt < 2; attempt++) {
      assertThrows(
        () => cache.read(pointer(1, 450, 100)),
        CorruptionError,
        "at offset 500: file ends too early",
      );
    }
    assertEquals(cache.read(pointer(1, 0, 10)), content(10, 1));
  }
});
