/**
 * Compactions whose process, machine or disk fails at their steps.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { WritesRefusedError } from "../../../engine/kvs/log_writer.ts";
import {
  CRASH_KINDS,
  crashAtEachStep,
  FaultyDisk,
  InjectedFault,
} from "./_fault_injection.ts";
import { MEMORY, TempDirectory } from "./_helpers.ts";
import {
  assertExpected,
  Expectation,
  type KeyValue,
  TempLog,
  TestLog,
} from "./_test_log.ts";

/** So that a handful of records makes several segments. */
export const TINY = { segmentBytes: 4_096 };

/** A value that fills a quarter of a tiny segment. */
export function quarter(text: string): string {
  return text.padEnd(995, ".");
}

/** Writes one by one, so that each may begin a segment. */
export function writeEach(log: TestLog, writes: readonly KeyValue[]): void {
  for (const write of writes) assertEquals(log.write(write), [true]);
}

/**
 * Fills a log with segments that compaction has work with: overwritten and
 * removed keys, of which the last writes are not acknowledged.
 */
export async function fillLog(
  log: TestLog,
  expected: Expectation,
): Promise<void> {
  const write = (...batch: KeyValue[]) => {
    expected.wrote(...batch);
    writeEach(log, batch);
  };
  for (const key of "abcdefgh") write([key, quarter(`${key}1`)]);
  for (const key of "aceg") write([key, quarter(`${key}2`)]);
  write(["b"], ["c"]);
  for (const key of "ijkl") write([key, quarter(`${key}1`)]);
  write(["i"], ["d", "d2"], ["c", "c3"]);
  await log.sync();
  expected.acknowledged();
  write(["e", "e3"], ["f"], ["g", quarter("g3")], ["h", quarter("h2")]);
}

/** Checks what a crash left, then that it stays so when it is compacted. */
function checkCrash(
  directory: string,
  allowed: ReturnType<Expectation["capture"]>,
): void {
  using _disk = new FaultyDisk(directory);
  using log = new TestLog(directory, TINY);
  assertExpected(log.entries(), allowed);
  log.write(["after the crash", "x"]);
  const found = log.entries();
  for (let turn = 0; turn < 2; turn++) {
    log.assertConsistent();
    log.compact();
    assertEquals(log.entries(), found);
    using again = new TestLog(directory, TINY);
    assertEquals(again.entries(), found);
  }
}

/**
 * Checks that a compaction keeps every acknowledged write through a crash.
 *
 * @param every Of how many of the moments and kinds of a crash one is tried.
 */
export async function crashInCompaction(every: number): Promise<void> {
  using log = new TempLog(TINY);
  const expected = new Expectation();
  // From the first write on, so that the disk knows what was synced.
  const crashes = await crashAtEachStep(
    log.directory,
    CRASH_KINDS,
    () => expected.capture(),
    async () => {
      await fillLog(log, expected);
      log.compact();
      await log.sync();
      expected.acknowledged();
      // With writes in between, which come to be acknowledged or not.
      let records = 0;
      expected.wrote(["a", "a4"], ["d"]);
      writeEach(log, [["a", "a4"], ["d"]]);
      log.compact("all", () => {
        if (++records % 3 !== 1) return;
        const write: KeyValue = records % 2 === 0 ? ["e"] : ["e", `${records}`];
        expected.wrote(write);
        log.write(write);
      });
    },
    ({ directory, expected }) => checkCrash(directory, expected),
    every,
  );
  assert(crashes > 150 / every, `only ${crashes} crashes`);
}

/**
 * Checks that a compaction loses nothing when one of its steps fails.
 *
 * @param every Of how many steps one is tried.
 */
export async function failInCompaction(every: number): Promise<void> {
  for (const halfWrites of [false, true]) {
    for (let failing = 1;; failing += every) {
      using log = new TempLog(TINY);
      using disk = new FaultyDisk(log.directory);
      disk.halfWrites = halfWrites;
      const expected = new Expectation();
      await fillLog(log, expected);
      await log.sync();
      expected.acknowledged();
      const { steps } = disk;
      disk.failAt(steps + failing);
      try {
        // What fails the first time may be done the second.
        log.compact();
      } catch (error) {
        assertInstanceOf(error, InjectedFault);
      }
      disk.heal();
      if (disk.steps < steps + failing) {
        assert(failing > 40, `only ${failing} steps`);
        break;
      }
      assertExpected(log.entries(), expected.capture());
      // Written to, compacted again and opened anew, it is as it should be.
      for (let turn = 0; turn < 2; turn++) {
        try {
          log.compact();
        } catch (error) {
          assertInstanceOf(error, WritesRefusedError);
        }
        assertExpected(log.entries(), expected.capture());
      }
      const copies = CRASH_KINDS.map((kind) => {
        const copy = new TempDirectory(MEMORY);
        disk.copy(kind, copy.path);
        return copy;
      });
      disk[Symbol.dispose]();
      for (const copy of copies) {
        checkCrash(copy.path, expected.capture());
        copy[Symbol.dispose]();
      }
    }
  }
}
