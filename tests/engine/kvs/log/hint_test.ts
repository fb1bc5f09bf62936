import { assert, assertEquals, assertFalse } from "@std/assert";
import fc from "fast-check";
import { Log } from "../../../../engine/kvs/log/log.ts";
import {
  buildHint,
  entryCount,
  hintPath,
  readHint,
  removeHint,
  writeHint,
} from "../../../../engine/kvs/log/hint.ts";
import { IndexLoader } from "../../../../engine/kvs/store/loader.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import { TempStore, TestStore } from "../_test_store.ts";

/** A log with a sealed segment, 1, that holds overwrites and a tombstone. */
function sealedLog(): TempStore {
  const store = new TempStore({ segmentBytes: 4096 });
  store.write(["b", "1"], ["a", "old"], ["c", "3"]);
  store.write(["a", "new"], ["c"]);
  store.write(["filler", "x".repeat(4096)]);
  assertEquals(store.ids, [1, 2]);
  return store;
}

function load(store: TestStore, id: number): Keydir | undefined {
  const log = Log.create(store.directory);
  const index = Keydir.create(2 ** 20);
  const { size } = Deno.statSync(segmentPath(store.directory, id));
  log.segments.add(id, size);
  const loader = new IndexLoader(log, index);
  const isSound = readHint(
    store.directory,
    id,
    size,
    (entry) => loader.add(entry),
  );
  return isSound ? index : undefined;
}

function keysOf(index: Keydir): string[] {
  const decoder = new TextDecoder();
  return index.page(1000)
    .map(({ key }) => decoder.decode(key));
}

Deno.test("readHint() builds what replaying the segment builds", () => {
  using store = sealedLog();
  assert(writeHint(store.directory, 1));
  const index = load(store, 1)!;
  assertEquals(keysOf(index), ["a", "b"]);
  const expected = store.index.page(2);
  assertEquals(index.page(1000), expected);
});

Deno.test("buildHint() has an entry for every record, dead ones included", () => {
  using store = sealedLog();
  const { hint, scan } = buildHint(store.directory, 1);
  assertEquals(entryCount(hint), 5);
  assertEquals(scan.damage, []);
});

Deno.test("readHint() refuses a hint with any bit flipped", () => {
  using store = sealedLog();
  writeHint(store.directory, 1);
  const path = hintPath(store.directory, 1);
  const sound = Deno.readFileSync(path);
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const flipped = sound.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    Deno.writeFileSync(path, flipped);
    assertEquals(load(store, 1), undefined, `bit ${bit}`);
  }
});

Deno.test("readHint() refuses a hint that was cut, or is not there", () => {
  using store = sealedLog();
  writeHint(store.directory, 1);
  const path = hintPath(store.directory, 1);
  const sound = Deno.readFileSync(path);
  for (let length = 0; length < sound.length; length++) {
    Deno.writeFileSync(path, sound.subarray(0, length));
    assertEquals(load(store, 1), undefined, `${length} bytes`);
  }
  removeHint(store.directory, 1);
  assertEquals(load(store, 1), undefined);
  removeHint(store.directory, 1);
});

Deno.test("readHint() refuses the hint of another segment, or another size", () => {
  using store = sealedLog();
  writeHint(store.directory, 1);
  const hint = Deno.readFileSync(hintPath(store.directory, 1));
  Deno.writeFileSync(hintPath(store.directory, 2), hint);
  assertEquals(load(store, 2), undefined);
  Deno.writeFileSync(segmentPath(store.directory, 1), new Uint8Array(1), {
    append: true,
  });
  assertEquals(load(store, 1), undefined);
});

Deno.test("writeHint() writes none for a segment that is not sound", () => {
  using store = sealedLog();
  const path = segmentPath(store.directory, 1);
  const bytes = Deno.readFileSync(path);
  bytes[40] ^= 1;
  Deno.writeFileSync(path, bytes);
  assertFalse(writeHint(store.directory, 1));
  assertEquals(load(store, 1), undefined);
});

Deno.test("recover() gives the same with hints and without", () => {
  const key = fc.string({ maxLength: 3 });
  const value = fc.option(fc.string({ maxLength: 300 }), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 80 }), (writes) => {
      using store = new TempStore({ segmentBytes: 4096 });
      for (const write of writes) store.write(write);
      const expected = store.entries();
      for (const id of store.ids.slice(0, -1)) {
        assert(writeHint(store.directory, id));
      }
      using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
      assertEquals(reopened.entries(), expected);
      assertEquals(reopened.damage, []);
      reopened.assertConsistent();
    }),
    { numRuns: 40 },
  );
});
