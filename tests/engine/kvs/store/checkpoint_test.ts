import { assert, assertEquals, assertFalse } from "@std/assert";
import { Log } from "../../../../engine/kvs/log/log.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import {
  checkpointDamage,
  hasCheckpoint,
  loadCheckpoint,
  removeCheckpoint,
  writeCheckpoint,
} from "../../../../engine/kvs/store/checkpoint.ts";
import { TempStore, TestStore } from "../_test_store.ts";

/** A log of several segments, with a checkpoint. */
function checkpointedStore(): TempStore {
  const store = new TempStore({ segmentBytes: 4096, indexBytes: 2 ** 19 });
  for (let i = 0; i < 60; i++) store.write([`key${i}`, "v".repeat(100)]);
  for (let i = 0; i < 60; i += 3) store.write([`key${i}`]);
  assert(writeCheckpoint(store.log, store.index));
  return store;
}

function load(store: TestStore, log: Log, indexBytes: number) {
  const sizes = new Map(
    store.ids.map((id) => [
      id,
      Deno.statSync(segmentPath(store.directory, id)).size,
    ]),
  );
  return loadCheckpoint(
    log,
    indexBytes,
    (id) => sizes.get(id),
  );
}

function indexPath(store: TestStore): string {
  return `${store.directory}/INDEX`;
}

Deno.test("loadCheckpoint() restores index, segments and sequence", () => {
  using store = checkpointedStore();
  const log = Log.create(store.directory);
  const index = load(store, log, 2 ** 20)!;
  assertEquals(
    index.page(1000),
    store.index.page(1000),
  );
  assertEquals(log.sequence, store.log.sequence);
  assertEquals(
    log.segments.list().map(({ flags: _, ...state }) => state),
    store.log.segments.list().map(({ flags: _, ...state }) => state),
  );
});

Deno.test("writeCheckpoint() makes a file for its owner alone", () => {
  using store = checkpointedStore();
  const { mode } = Deno.statSync(indexPath(store));
  assertEquals((mode ?? 0) & 0o777, 0o600);
});

Deno.test("recover() replays what came after the checkpoint", () => {
  using store = checkpointedStore();
  store.write(["key1", "newer"], ["key2"], ["late", "1"]);
  for (let i = 0; i < 50; i++) store.write([`more${i}`, "v".repeat(100)]);
  const expected = store.entries();
  assert(hasCheckpoint(store.directory));
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), expected);
  reopened.assertConsistent();
  // The memory of the checkpoint's index goes on being used.
  reopened.write(["key4"], ["key5", "5"]);
  assertEquals(reopened.get("key5"), "5");
  reopened.assertConsistent();
});

Deno.test("compact() removes the checkpoint before a segment goes", () => {
  using store = checkpointedStore();
  const expected = store.entries();
  store.compact();
  assertFalse(hasCheckpoint(store.directory));
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), expected);
});

Deno.test("loadCheckpoint() refuses a checkpoint of a segment that is gone", () => {
  using store = checkpointedStore();
  const path = segmentPath(store.directory, 1);
  Deno.renameSync(path, `${path}.away`);
  const log = Log.create(store.directory);
  assertEquals(load(store, log, 2 ** 20), undefined);
  assertEquals(log.segments.list(), []);
});

Deno.test("loadCheckpoint() refuses a checkpoint of a segment that has shrunk", () => {
  using store = checkpointedStore();
  const path = segmentPath(store.directory, 1);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  const log = Log.create(store.directory);
  assertEquals(load(store, log, 2 ** 20), undefined);
});

Deno.test("loadCheckpoint() refuses a checkpoint that does not fit in the index", () => {
  using store = new TempStore({ indexBytes: 2 ** 20 });
  store.write(
    ...Array.from({ length: 5_000 }, (_, i) => [`k${i}`, ""] as const),
  );
  writeCheckpoint(store.log, store.index);
  const log = Log.create(store.directory);
  assertEquals(load(store, log, 2 ** 18), undefined);
  assertEquals(log.segments.list(), []);
  assertEquals(load(store, log, 2 ** 19)?.size, 5_000);
});

Deno.test("loadCheckpoint() refuses a checkpoint with a bit flipped or bytes missing", () => {
  using store = checkpointedStore();
  const sound = Deno.readFileSync(indexPath(store));
  // Of some 100 KiB, the header and the rows whole and the rest in samples.
  const step = (at: number) => at < 600 ? 1 : 997;
  for (let at = 0; at < sound.length; at += step(at)) {
    const flipped = sound.slice();
    flipped[at] ^= 1 << at % 8;
    Deno.writeFileSync(indexPath(store), flipped);
    const log = Log.create(store.directory);
    const loaded = load(store, log, 2 ** 20);
    assertEquals(loaded, undefined, `byte ${at}`);
    assertEquals(checkpointDamage(store.directory).length, 1, `byte ${at}`);
  }
  for (let length = 0; length < sound.length; length += step(length)) {
    Deno.writeFileSync(indexPath(store), sound.subarray(0, length));
    const log = Log.create(store.directory);
    const loaded = load(store, log, 2 ** 20);
    assertEquals(loaded, undefined, `${length} bytes`);
  }
  Deno.writeFileSync(indexPath(store), sound);
  assertEquals(checkpointDamage(store.directory), []);
});

Deno.test("loadCheckpoint() refuses a checkpoint of another version; a former one is no damage", () => {
  using store = checkpointedStore();
  const expected = store.entries();
  const path = indexPath(store);
  const bytes = Deno.readFileSync(path);
  for (const version of [1, 3, 2 ** 8 + 2]) {
    // As the version is not under the checksum, all else is sound.
    new DataView(bytes.buffer).setUint16(6, version, true);
    Deno.writeFileSync(path, bytes);
    assertEquals(load(store, Log.create(store.directory), 2 ** 20), undefined);
    assertEquals(
      checkpointDamage(store.directory).length,
      version === 1 ? 0 : 1,
    );
    using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
    assertEquals(reopened.entries(), expected);
    reopened.assertConsistent();
  }
});

Deno.test("recover() does without a checkpoint that is not sound", () => {
  using store = checkpointedStore();
  const bytes = Deno.readFileSync(indexPath(store));
  bytes[bytes.length >> 1] ^= 1;
  Deno.writeFileSync(indexPath(store), bytes);
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), store.entries());
  reopened.assertConsistent();
});

Deno.test("removeCheckpoint() does nothing where there is none", () => {
  using store = checkpointedStore();
  removeCheckpoint(store.directory);
  removeCheckpoint(store.directory);
  assertFalse(hasCheckpoint(store.directory));
  assertEquals(checkpointDamage(store.directory), []);
});
