import { assert, assertEquals } from "@std/assert";
import {
  checkSteps,
  checkStore,
  repairStore,
} from "../../../../engine/kvs/store/check.ts";
import { hintPath, writeHint } from "../../../../engine/kvs/log/hint.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { writeCheckpoint } from "../../../../engine/kvs/store/checkpoint.ts";
import { TempStore, TestStore } from "../_test_store.ts";

const RECORD_BYTES = 20 + 4 + 100;

/** A log of three segments with keys k000 to k079 of one size. */
function filledLog(): TempStore {
  const store = new TempStore({ segmentBytes: 4096 });
  for (let i = 0; i < 80; i++) store.write([keyOf(i), valueOf(i)]);
  assertEquals(store.ids, [1, 2, 3]);
  for (const id of [1, 2]) assert(writeHint(store.directory, id));
  assert(writeCheckpoint(store.log, store.index));
  return store;
}

function keyOf(i: number): string {
  return `k${String(i).padStart(3, "0")}`;
}

function valueOf(i: number): string {
  return String(i).padStart(100, ".");
}

function flip(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset] ^= 0x10;
  Deno.writeFileSync(path, bytes);
}

Deno.test("checkStore() finds nothing wrong with a sound store", () => {
  using store = filledLog();
  const report = checkStore(store.directory);
  assertEquals(report, {
    segments: 3,
    records: 80,
    sizeBytes: 3 * 16 + 80 * RECORD_BYTES,
    damage: [],
    unfinished: undefined,
  });
  assertEquals(repairStore(store.directory, report), []);
});

Deno.test("checkSteps() tells after each segment how far it is", () => {
  using store = filledLog();
  const steps = checkSteps(store.directory);
  const found: [done: number, total: number][] = [];
  let result = steps.next();
  for (; !result.done; result = steps.next()) {
    found.push([result.value.doneBytes, result.value.totalBytes]);
  }
  assertEquals(result.value, checkStore(store.directory));
  let doneBytes = 0;
  const expected = store.ids.map((id) => {
    doneBytes += Deno.statSync(segmentPath(store.directory, id)).size;
    return [doneBytes, 3 * 16 + 80 * RECORD_BYTES];
  });
  assertEquals(found, expected);
});

Deno.test("checkStore() names file and offset of each damaged place", () => {
  using store = filledLog();
  const first = segmentPath(store.directory, 1);
  const second = segmentPath(store.directory, 2);
  const hint = hintPath(store.directory, 2);
  flip(first, 16 + 2 * RECORD_BYTES + 30);
  flip(second, 16 + 5 * RECORD_BYTES + 14);
  flip(hint, 40);
  flip(`${store.directory}/INDEX`, 200);
  const { damage, records } = checkStore(store.directory);
  // Both hint files also tell of the record that their segment has lost.
  assertEquals(damage.map(({ path, offset }) => [path, offset]), [
    [first, 16 + 2 * RECORD_BYTES],
    [hintPath(store.directory, 1), 8],
    [second, 16 + 5 * RECORD_BYTES],
    [hint, 8],
    [`${store.directory}/INDEX`, 0],
  ]);
  assertEquals(records, 78);
});

Deno.test("checkStore() does not take an unfinished last write for damage", () => {
  using store = filledLog();
  const path = segmentPath(store.directory, 3);
  const { size } = Deno.statSync(path);
  Deno.truncateSync(path, size - 10);
  const { damage, unfinished } = checkStore(store.directory);
  // The snapshot is sound, though the next opening can't use it.
  assertEquals(damage, []);
  assertEquals(unfinished, {
    path,
    offset: size - RECORD_BYTES,
    length: RECORD_BYTES - 10,
    reason: "unfinished write at the end",
  });
  assertEquals(Deno.statSync(path).size, size - 10);
});

Deno.test("checkStore() takes the torn end of an older segment for damage", () => {
  using store = filledLog();
  const path = segmentPath(store.directory, 1);
  const { size } = Deno.statSync(path);
  Deno.truncateSync(path, size - 10);
  const { damage, unfinished } = checkStore(store.directory);
  assertEquals(unfinished, undefined);
  assertEquals(
    damage.filter((place) => place.path === path).map(({ offset }) => offset),
    [size - RECORD_BYTES],
  );
});

Deno.test("repairStore() keeps every sound record and sets the file aside", () => {
  using store = filledLog();
  const path = segmentPath(store.directory, 2);
  flip(path, 16 + 5 * RECORD_BYTES + 30);
  const damaged = Deno.readFileSync(path);
  const report = checkStore(store.directory);
  const setAside = repairStore(store.directory, report);
  assertEquals(setAside, [`${store.directory}/damaged/2.log`]);
  assertEquals(Deno.readFileSync(setAside[0]), damaged);
  assertEquals(checkStore(store.directory).damage, []);
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.damage, []);
  reopened.assertConsistent();
  const missing: number[] = [];
  for (let i = 0; i < 80; i++) {
    const value = reopened.get(keyOf(i));
    if (value === undefined) missing.push(i);
    else assertEquals(value, valueOf(i));
  }
  assertEquals(missing.length, 1);
});

Deno.test("repairStore() overwrites nothing that an earlier one has set aside", () => {
  const setAside: string[] = [];
  using store = new TempStore();
  for (let round = 0; round < 3; round++) {
    using again = new TestStore(store.directory);
    again.write(["k", `round ${round}`]);
    const path = segmentPath(store.directory, 1);
    flip(path, Deno.statSync(path).size - 1);
    setAside.push(...repairStore(store.directory, checkStore(store.directory)));
  }
  const parent = `${store.directory}/damaged`;
  assertEquals(setAside, [
    `${parent}/1.log`,
    `${parent}/1-2.log`,
    `${parent}/1-3.log`,
  ]);
  for (const [round, path] of setAside.entries()) {
    const content = Deno.readTextFileSync(path);
    assert(content.endsWith(`round ${String.fromCharCode(0x20 + round)}`));
  }
});

Deno.test("repairStore() leaves no unfinished end in a segment that is not the newest", () => {
  using store = filledLog();
  flip(segmentPath(store.directory, 1), 16 + 3 * RECORD_BYTES + 30);
  const newest = segmentPath(store.directory, 3);
  Deno.truncateSync(newest, Deno.statSync(newest).size - 10);
  const report = checkStore(store.directory);
  assert(report.unfinished !== undefined);
  assertEquals(repairStore(store.directory, report), [
    `${store.directory}/damaged/1.log`,
    `${store.directory}/damaged/3.log`,
  ]);
  const repaired = checkStore(store.directory);
  assertEquals([repaired.damage, repaired.unfinished], [[], undefined]);
});

Deno.test("repairStore() keeps removed keys removed", () => {
  using store = filledLog();
  store.write([keyOf(0)]);
  flip(segmentPath(store.directory, 1), 16 + 3 * RECORD_BYTES + 30);
  repairStore(store.directory, checkStore(store.directory));
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.get(keyOf(0)), undefined);
  assertEquals(reopened.get(keyOf(3)), undefined);
  assertEquals(reopened.get(keyOf(4)), valueOf(4));
  assertEquals(reopened.index.size, 78);
});

Deno.test("repairStore() removes damaged hints and snapshots, which come anew", () => {
  using store = filledLog();
  flip(hintPath(store.directory, 1), 30);
  flip(`${store.directory}/INDEX`, 100);
  const report = checkStore(store.directory);
  assertEquals(report.damage.length, 2);
  assertEquals(repairStore(store.directory, report), []);
  assertEquals(checkStore(store.directory).damage, []);
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.entries(), store.entries());
});

Deno.test("repairStore() leaves no segment of one in which nothing is sound", () => {
  using store = new TempStore({ segmentBytes: 4096 });
  store.write(["a", "1"]);
  store.write(["filler", "x".repeat(4096)]);
  const path = segmentPath(store.directory, 1);
  flip(path, 17);
  const report = checkStore(store.directory);
  assertEquals(report.damage.length, 1);
  assertEquals(repairStore(store.directory, report).length, 1);
  using reopened = new TestStore(store.directory, { segmentBytes: 4096 });
  assertEquals(reopened.ids, [2]);
  assertEquals(reopened.get("a"), undefined);
});
