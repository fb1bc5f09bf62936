/**
 * A store whose process, machine or disk fails at the steps of its life.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { checkStore, repairStore } from "../../../engine/kvs/store/check.ts";
import { segmentPath } from "../../../engine/kvs/log/segment.ts";
import { writeCheckpoint } from "../../../engine/kvs/store/checkpoint.ts";
import {
  CRASH_KINDS,
  crashAtEachStep,
  FaultyDisk,
  InjectedFault,
} from "./_fault_injection.ts";
import { copyDirectory, MEMORY, TempDirectory } from "./_helpers.ts";
import {
  assertExpected,
  Expectation,
  type KeyValue,
  TestStore,
} from "./_test_store.ts";

const TINY = { segmentBytes: 600, indexBytes: 2 ** 18 };

type Allowed = ReturnType<Expectation["capture"]>;

/** Opens what a crash left, checks it, and goes on with it for a while. */
async function checkCrash(
  directory: string,
  allowed: Allowed,
): Promise<void> {
  using _disk = new FaultyDisk(directory);
  using store = new TestStore(directory, TINY);
  for (const { reason } of store.damage) {
    assertEquals(reason, "unfinished write at the end was cut off");
  }
  assertExpected(store.entries(), allowed);
  store.assertConsistent();
  store.write(["a", "after"], ["new", "x".repeat(500)], ["b"]);
  await store.sync();
  const found = store.entries();
  using again = new TestStore(directory, TINY);
  assertEquals(again.damage, []);
  assertEquals(again.entries(), found);
  again.compact();
  using last = new TestStore(directory, TINY);
  assertEquals(last.entries(), found);
  last.assertConsistent();
}

/** Writes that overwrite and remove, over several segments. */
function writesOf(round: number): KeyValue[] {
  const writes: KeyValue[] = [];
  for (const key of "abcdefgh") {
    writes.push([key, `${round} ${key.repeat(90)}`]);
    if (key === "c" || key === "g") writes.push([`${key}${round}`, "short"]);
    if (key === "d") writes.push(["c"]);
  }
  writes.push([`c${round - 1}`]);
  return writes;
}

/** A life of a store: it writes, is closed and opened, and compacts. */
async function live(directory: string, expected: Expectation): Promise<void> {
  for (let round = 1; round <= 4; round++) {
    using store = new TestStore(directory, TINY);
    const batches = [writesOf(round).slice(0, 5), writesOf(round).slice(5)];
    for (const batch of batches) {
      expected.wrote(...batch);
      // Where some of them fail, the others do not.
      expected.settle(batch, store.write(...batch));
      await store.sync();
      expected.acknowledged();
    }
    if (round % 2 === 1) store.compact("worthwhile");
    else store.compact("hints");
    // As a clean close does it, but for the first time; the second time a
    // snapshot is there already.
    if (round > 1) writeCheckpoint(store.log, store.index);
    const late: KeyValue = ["late", `${round}`];
    if (round % 2 === 0) continue;
    expected.wrote(late);
    expected.settle([late], store.write(late));
  }
}

/**
 * Checks that a store keeps every acknowledged write through a crash.
 *
 * @param every Of how many of the moments and kinds of a crash one is tried.
 */
export async function crashInLife(every: number): Promise<void> {
  using directory = new TempDirectory(MEMORY);
  const expected = new Expectation();
  const crashes = await crashAtEachStep(
    directory.path,
    CRASH_KINDS,
    () => expected.capture(),
    () => live(directory.path, expected),
    ({ directory, expected }) => checkCrash(directory, expected),
    every,
  );
  assert(crashes > 300 / every, `only ${crashes} crashes`);
}

/**
 * Checks that a store keeps every acknowledged write when one step fails, and
 * then it crashes.
 *
 * @param every Of how many steps one is tried; prime to 2 and 3, so that each
 * way to fail comes with each kind of crash.
 */
export async function failInLife(every: number): Promise<void> {
  for (let failing = 1;; failing += every) {
    using directory = new TempDirectory(MEMORY);
    const disk = new FaultyDisk(directory.path);
    disk.halfWrites = failing % 2 === 0;
    disk.failAt(failing);
    const expected = new Expectation();
    try {
      await live(directory.path, expected);
    } catch (error) {
      // It was opening, compacting or syncing, and said so.
      assertInstanceOf(error, InjectedFault);
    }
    const isOver = disk.steps < failing;
    const kind = CRASH_KINDS[failing % CRASH_KINDS.length];
    using copy = new TempDirectory(MEMORY);
    disk.copy(kind, copy.path);
    disk[Symbol.dispose]();
    try {
      await checkCrash(copy.path, expected.capture());
    } catch (cause) {
      const what = `Step ${failing} failed, then a crash (${kind})`;
      throw new Error(what, { cause });
    }
    if (isOver) {
      assert(failing > 100, `only ${failing} steps`);
      break;
    }
  }
}

/**
 * Checks that a repair loses nothing that can be read through a crash.
 *
 * @param every Of how many of the moments and kinds of a crash one is tried.
 */
export async function crashInRepair(every: number): Promise<void> {
  using directory = new TempDirectory(MEMORY);
  {
    using store = new TestStore(directory.path, TINY);
    for (let round = 1; round <= 3; round++) {
      store.write(...writesOf(round));
      store.compact("hints");
    }
    writeCheckpoint(store.log, store.index);
    // In the middle of two segments, one of them with live records.
    for (const id of [store.ids[1], store.ids[store.ids.length - 2]]) {
      const path = segmentPath(directory.path, id);
      const content = Deno.readFileSync(path);
      content[content.length >>> 1] ^= 255;
      Deno.writeFileSync(path, content);
    }
  }
  const repair = (path: string) => {
    const report = checkStore(path);
    repairStore(path, report);
    assertEquals(checkStore(path).damage, []);
  };
  /** What is there after a repair without a crash. */
  const repaired = () => {
    using copy = new TempDirectory(MEMORY);
    copyDirectory(directory.path, copy.path);
    repair(copy.path);
    using store = new TestStore(copy.path, TINY);
    return store.entries();
  };
  const expected = repaired();
  assert(expected.size > 5);
  await crashAtEachStep(
    directory.path,
    CRASH_KINDS,
    () => expected,
    () => repair(directory.path),
    (crash) => {
      using _disk = new FaultyDisk(crash.directory);
      repair(crash.directory);
      using store = new TestStore(crash.directory, TINY);
      assertEquals(store.damage, []);
      assertEquals(store.entries(), crash.expected);
    },
    every,
  );
}
