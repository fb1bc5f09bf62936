import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { Control } from "../../../../engine/kvs/log/log.ts";
import {
  buildHint,
  entryCount,
  hintPath,
  loadHint,
  removeHint,
  writeHint,
} from "../../../../engine/kvs/log/hint.ts";
import { IndexLoader } from "../../../../engine/kvs/index/loader.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import { TempLog, TestLog } from "../_test_log.ts";

/** A log with a sealed segment, 1, that holds overwrites and a tombstone. */
function sealedLog(): TempLog {
  const log = new TempLog({ segmentBytes: 4096 });
  log.write(["b", "1"], ["a", "old"], ["c", "3"]);
  log.write(["a", "new"], ["c"]);
  log.write(["filler", "x".repeat(4096)]);
  assertEquals(log.ids, [1, 2]);
  return log;
}

function load(log: TestLog, id: number): Keydir | undefined {
  const control = Control.create();
  const index = Keydir.create(2 ** 20);
  const { size } = Deno.statSync(segmentPath(log.directory, id));
  control.segments.add(id, size);
  const loader = new IndexLoader(control, index);
  if (!loadHint(log.directory, id, size, loader)) return undefined;
  return index;
}

function keysOf(index: Keydir): string[] {
  const decoder = new TextDecoder();
  return index.page(undefined, true, 1000)
    .map(({ key }) => decoder.decode(key));
}

Deno.test("loadHint() builds what replaying the segment builds", () => {
  using log = sealedLog();
  assert(writeHint(log.directory, 1));
  const index = load(log, 1)!;
  assertEquals(keysOf(index), ["a", "b"]);
  const expected = log.index.page(undefined, true, 2);
  assertEquals(index.page(undefined, true, 1000), expected);
});

Deno.test("buildHint() has an entry for every record, dead ones included", () => {
  using log = sealedLog();
  const { hint, scan } = buildHint(log.directory, 1);
  assertEquals(entryCount(hint), 5);
  assertEquals(scan.damage, []);
});

Deno.test("loadHint() refuses a hint with any bit flipped", () => {
  using log = sealedLog();
  writeHint(log.directory, 1);
  const path = hintPath(log.directory, 1);
  const sound = Deno.readFileSync(path);
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const flipped = sound.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    Deno.writeFileSync(path, flipped);
    assertEquals(load(log, 1), undefined, `bit ${bit}`);
  }
});

Deno.test("loadHint() refuses a hint that was cut, or is not there", () => {
  using log = sealedLog();
  writeHint(log.directory, 1);
  const path = hintPath(log.directory, 1);
  const sound = Deno.readFileSync(path);
  for (let length = 0; length < sound.length; length++) {
    Deno.writeFileSync(path, sound.subarray(0, length));
    assertEquals(load(log, 1), undefined, `${length} bytes`);
  }
  removeHint(log.directory, 1);
  assertEquals(load(log, 1), undefined);
  removeHint(log.directory, 1);
});

Deno.test("loadHint() refuses the hint of another segment, or another size", () => {
  using log = sealedLog();
  writeHint(log.directory, 1);
  const hint = Deno.readFileSync(hintPath(log.directory, 1));
  Deno.writeFileSync(hintPath(log.directory, 2), hint);
  assertEquals(load(log, 2), undefined);
  Deno.writeFileSync(segmentPath(log.directory, 1), new Uint8Array(1), {
    append: true,
  });
  assertEquals(load(log, 1), undefined);
});

Deno.test("writeHint() writes none for a segment that is not sound", () => {
  using log = sealedLog();
  const path = segmentPath(log.directory, 1);
  const bytes = Deno.readFileSync(path);
  bytes[40] ^= 1;
  Deno.writeFileSync(path, bytes);
  assertFalse(writeHint(log.directory, 1));
  assertEquals(load(log, 1), undefined);
});

Deno.test("recover() gives the same with hints and without", () => {
  const key = fc.string({ maxLength: 3 });
  const value = fc.option(fc.string({ maxLength: 300 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 80 }), (writes) => {
      using log = new TempLog({ segmentBytes: 4096 });
      for (const write of writes) log.write(write);
      const expected = log.entries();
      for (const id of log.ids.slice(0, -1)) {
        assert(writeHint(log.directory, id));
      }
      using reopened = new TestLog(log.directory, { segmentBytes: 4096 });
      assertEquals(reopened.entries(), expected);
      assertEquals(reopened.damage, []);
      reopened.assertConsistent();
    }),
    { numRuns: 40 },
  );
});
