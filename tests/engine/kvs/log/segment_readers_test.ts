import { assertEquals, assertThrows } from "@std/assert";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { SegmentReaders } from "../../../../engine/kvs/log/segment_readers.ts";
import { TempDirectory } from "../_helpers.ts";

function makeSegments(directory: string, count: number): void {
  for (let id = 1; id <= count; id++) {
    Deno.writeFileSync(segmentPath(directory, id), Uint8Array.of(id));
  }
}

function readByte(file: Deno.FsFile): number {
  const byte = new Uint8Array(1);
  file.seekSync(0, Deno.SeekMode.Start);
  file.readSync(byte);
  return byte[0];
}

Deno.test("SegmentReaders.open() gives the file that is open, also when it is gone", () => {
  using directory = new TempDirectory();
  makeSegments(directory.path, 2);
  const files = new SegmentReaders(directory.path);
  const first = files.open(1);
  assertEquals(readByte(files.open(2)), 2);
  Deno.removeSync(segmentPath(directory.path, 1));
  assertEquals(files.open(1), first);
  assertEquals(readByte(first), 1);
  files.close();
  assertThrows(() => files.open(1), Deno.errors.NotFound);
});

Deno.test("SegmentReaders.open() has few files open at a time", () => {
  using directory = new TempDirectory();
  makeSegments(directory.path, 40);
  const files = new SegmentReaders(directory.path);
  const first = files.open(1);
  for (let id = 1; id <= 40; id++) assertEquals(readByte(files.open(id)), id);
  assertEquals(files.open(1) === first, false);
  files.close();
});

Deno.test("SegmentReaders closes files after a second", () => {
  using directory = new TempDirectory();
  makeSegments(directory.path, 1);
  const files = new SegmentReaders(directory.path);
  const { setTimeout } = globalThis;
  let isDue = () => {};
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    assertEquals(ms, 1_000);
    isDue = run;
    return setTimeout(run, ms);
  }) as typeof setTimeout;
  const file = files.open(1);
  globalThis.setTimeout = setTimeout;
  assertEquals(readByte(file), 1);
  isDue();
  assertThrows(() => readByte(file), Deno.errors.BadResource);
  assertEquals(readByte(files.open(1)), 1);
  files.close();
});
