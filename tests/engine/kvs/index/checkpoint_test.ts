import { assert, assertEquals, assertFalse } from "@std/assert";
import { Control } from "../../../../engine/kvs/log/log.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import {
  checkpointDamage,
  hasCheckpoint,
  loadCheckpoint,
  removeCheckpoint,
  writeCheckpoint,
} from "../../../../engine/kvs/index/checkpoint.ts";
import { TempLog, TestLog } from "../_test_log.ts";

/** A log of several segments, with a checkpoint. */
function snapshotLog(): TempLog {
  const log = new TempLog({ segmentBytes: 4096, indexBytes: 2 ** 19 });
  for (let i = 0; i < 60; i++) log.write([`key${i}`, "v".repeat(100)]);
  for (let i = 0; i < 60; i += 3) log.write([`key${i}`]);
  assert(writeCheckpoint(log.directory, log.control, log.index));
  return log;
}

function load(log: TestLog, control: Control, indexBytes: number) {
  const sizes = new Map(
    log.ids.map((id) => [
      id,
      Deno.statSync(segmentPath(log.directory, id)).size,
    ]),
  );
  return loadCheckpoint(
    log.directory,
    control,
    indexBytes,
    (id) => sizes.get(id),
  );
}

function indexPath(log: TestLog): string {
  return `${log.directory}/INDEX`;
}

Deno.test("loadCheckpoint() restores index, segments and sequence", () => {
  using log = snapshotLog();
  const control = Control.create();
  const index = load(log, control, 2 ** 20)!;
  assertEquals(
    index.page(undefined, true, 1000),
    log.index.page(undefined, true, 1000),
  );
  assertEquals(control.sequence, log.control.sequence);
  assertEquals(
    control.segments.list().map(({ flags: _, ...state }) => state),
    log.control.segments.list().map(({ flags: _, ...state }) => state),
  );
});

Deno.test("writeCheckpoint() makes a file for its owner alone", () => {
  using log = snapshotLog();
  const { mode } = Deno.statSync(indexPath(log));
  assertEquals((mode ?? 0) & 0o777, 0o600);
});

Deno.test("recover() replays what came after the checkpoint", () => {
  using log = snapshotLog();
  log.write(["key1", "newer"], ["key2"], ["late", "1"]);
  for (let i = 0; i < 50; i++) log.write([`more${i}`, "v".repeat(100)]);
  const expected = log.entries();
  assert(hasCheckpoint(log.directory));
  using reopened = new TestLog(log.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), expected);
  reopened.assertConsistent();
  // The memory of the checkpoint's index goes on being used.
  reopened.write(["key4"], ["key5", "5"]);
  assertEquals(reopened.get("key5"), "5");
  reopened.assertConsistent();
});

Deno.test("compact() removes the checkpoint before a segment goes", () => {
  using log = snapshotLog();
  const expected = log.entries();
  log.compact();
  assertFalse(hasCheckpoint(log.directory));
  using reopened = new TestLog(log.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), expected);
});

Deno.test("loadCheckpoint() refuses a checkpoint of a segment that is gone", () => {
  using log = snapshotLog();
  const path = segmentPath(log.directory, 1);
  Deno.renameSync(path, `${path}.away`);
  const control = Control.create();
  assertEquals(load(log, control, 2 ** 20), undefined);
  assertEquals(control.segments.list(), []);
});

Deno.test("loadCheckpoint() refuses a checkpoint of a segment that has shrunk", () => {
  using log = snapshotLog();
  const path = segmentPath(log.directory, 1);
  Deno.truncateSync(path, Deno.statSync(path).size - 1);
  const control = Control.create();
  assertEquals(load(log, control, 2 ** 20), undefined);
});

Deno.test("loadCheckpoint() refuses a checkpoint that does not fit in the index", () => {
  using log = new TempLog({ indexBytes: 2 ** 20 });
  log.write(...Array.from({ length: 5_000 }, (_, i) => [`k${i}`, ""] as const));
  writeCheckpoint(log.directory, log.control, log.index);
  const control = Control.create();
  assertEquals(load(log, control, 2 ** 18), undefined);
  assertEquals(control.segments.list(), []);
  assertEquals(load(log, control, 2 ** 19)?.size, 5_000);
});

Deno.test("loadCheckpoint() refuses a checkpoint with a bit flipped or bytes missing", () => {
  using log = snapshotLog();
  const sound = Deno.readFileSync(indexPath(log));
  // Of some 100 KiB, the header and the rows whole and the rest in samples.
  const step = (at: number) => at < 600 ? 1 : 997;
  for (let at = 0; at < sound.length; at += step(at)) {
    const flipped = sound.slice();
    flipped[at] ^= 1 << at % 8;
    Deno.writeFileSync(indexPath(log), flipped);
    const control = Control.create();
    const loaded = load(log, control, 2 ** 20);
    assertEquals(loaded, undefined, `byte ${at}`);
    assertEquals(checkpointDamage(log.directory).length, 1, `byte ${at}`);
  }
  for (let length = 0; length < sound.length; length += step(length)) {
    Deno.writeFileSync(indexPath(log), sound.subarray(0, length));
    const control = Control.create();
    const loaded = load(log, control, 2 ** 20);
    assertEquals(loaded, undefined, `${length} bytes`);
  }
  Deno.writeFileSync(indexPath(log), sound);
  assertEquals(checkpointDamage(log.directory), []);
});

Deno.test("loadCheckpoint() refuses a checkpoint of another version; a former one is no damage", () => {
  using log = snapshotLog();
  const expected = log.entries();
  const path = indexPath(log);
  const bytes = Deno.readFileSync(path);
  for (const version of [1, 3, 2 ** 8 + 2]) {
    // As the version is not under the checksum, all else is sound.
    new DataView(bytes.buffer).setUint16(6, version, true);
    Deno.writeFileSync(path, bytes);
    assertEquals(load(log, Control.create(), 2 ** 20), undefined);
    assertEquals(checkpointDamage(log.directory).length, version === 1 ? 0 : 1);
    using reopened = new TestLog(log.directory, { segmentBytes: 4096 });
    assertEquals(reopened.entries(), expected);
    reopened.assertConsistent();
  }
});

Deno.test("recover() does without a checkpoint that is not sound", () => {
  using log = snapshotLog();
  const bytes = Deno.readFileSync(indexPath(log));
  bytes[bytes.length >> 1] ^= 1;
  Deno.writeFileSync(indexPath(log), bytes);
  using reopened = new TestLog(log.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), log.entries());
  reopened.assertConsistent();
});

Deno.test("removeCheckpoint() does nothing where there is none", () => {
  using log = snapshotLog();
  removeCheckpoint(log.directory);
  removeCheckpoint(log.directory);
  assertFalse(hasCheckpoint(log.directory));
  assertEquals(checkpointDamage(log.directory), []);
});
