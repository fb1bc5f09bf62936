/**
 * Compactions whose process, machine or disk fails at their steps.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { WritesRefusedError } from "../../../engine/errors.ts";
import {
  CRASH_KINDS,
  crashAtEachStep,
  type CrashKind,
  FaultyDisk,
  InjectedFault,
} from "./_fault_injection.ts";
import { MEMORY, TempDirectory } from "./_helpers.ts";
import {
  assertExpected,
  Expectation,
  type KeyValue,
  TempStore,
  TestStore,
  type TestStoreOptions,
} from "./_test_store.ts";

/** A log that a compaction has work with. */
export interface CompactionScenario {
  readonly options: TestStoreOptions;
  /** Fills the log; the last writes are not acknowledged. */
  fill(store: TestStore, expected: Expectation): Promise<void>;
  /** What is removed after a compaction that failed. */
  readonly removed: readonly string[];
}

/** So that a handful of records makes several segments. */
export const TINY = { segmentBytes: 4_096 };

/** A value that fills a quarter of a tiny segment. */
export function quarter(text: string): string {
  return text.padEnd(995, ".");
}

/** Writes one by one, so that each may begin a segment. */
export function writeEach(store: TestStore, writes: readonly KeyValue[]): void {
  for (const write of writes) assertEquals(store.write(write), [true]);
}

/**
 * Fills a log with segments that compaction has work with: overwritten and
 * removed keys, of which the last writes are not acknowledged.
 */
export async function fillLog(
  store: TestStore,
  expected: Expectation,
): Promise<void> {
  const write = (...batch: KeyValue[]) => {
    expected.wrote(...batch);
    writeEach(store, batch);
  };
  for (const key of "abcdefgh") write([key, quarter(`${key}1`)]);
  for (const key of "aceg") write([key, quarter(`${key}2`)]);
  write(["b"], ["c"]);
  for (const key of "ijkl") write([key, quarter(`${key}1`)]);
  write(["i"], ["d", "d2"], ["c", "c3"]);
  await store.sync();
  expected.acknowledged();
  write(["e", "e3"], ["f"], ["g", quarter("g3")], ["h", quarter("h2")]);
}

/** Many small segments, each with one flush of a compaction. */
export const SMALL_RECORDS: CompactionScenario = {
  options: TINY,
  fill: fillLog,
  removed: ["a", "g", "j"],
};

/** The sizes at which a writer or a compaction writes what it has gathered. */
const BUFFERS = [2 ** 18, 2 ** 20];

/**
 * Records just below, of and just above the size of each buffer, with small
 * ones in between: an output is written in several pieces, of one record each
 * or of many.
 */
export const LARGE_RECORDS: CompactionScenario = {
  options: { segmentBytes: 3 * 2 ** 20 },
  async fill(store, expected) {
    const write = (...batch: KeyValue[]) => {
      expected.wrote(...batch);
      writeEach(store, batch);
    };
    write(["garbage", "x".repeat(2 ** 19)]);
    for (const buffer of BUFFERS) {
      for (const difference of [-1, 0, 1]) {
        const key = `${buffer}${difference}`;
        // The header of a record has 20 bytes.
        write([key, "v".repeat(buffer + difference - 20 - key.length)]);
        write([`small ${key}`, "s".repeat(900)]);
      }
      for (let n = 0; n < 40; n++) {
        write([`${buffer} ${n}`, `${n}`.repeat(8_000).slice(0, 8_000)]);
      }
    }
    write(["garbage"], [`small ${BUFFERS[0]}0`, "newer"]);
    await store.sync();
    expected.acknowledged();
  },
  removed: [`${BUFFERS[0]}1`, `${BUFFERS[0]} 7`, `${BUFFERS[1]}0`],
};

/** Checks what a crash left, then that it stays so when it is compacted. */
function checkCrash(
  directory: string,
  options: TestStoreOptions,
  allowed: ReturnType<Expectation["capture"]>,
): void {
  using _disk = new FaultyDisk(directory);
  using store = new TestStore(directory, options);
  assertExpected(store.entries(), allowed);
  store.write(["after the crash", "x"]);
  const found = store.entries();
  for (let turn = 0; turn < 2; turn++) {
    store.assertConsistent();
    store.compact();
    assertEquals(store.entries(), found);
    using again = new TestStore(directory, options);
    assertEquals(again.entries(), found);
  }
}

/**
 * Checks that a compaction keeps every acknowledged write through a crash.
 *
 * @param every Of how many of the moments and kinds of a crash one is tried.
 */
export async function crashInCompaction(every: number): Promise<void> {
  using store = new TempStore(TINY);
  const expected = new Expectation();
  // From the first write on, so that the disk knows what was synced.
  const crashes = await crashAtEachStep(
    store.directory,
    CRASH_KINDS,
    () => expected.capture(),
    async () => {
      await fillLog(store, expected);
      store.compact();
      await store.sync();
      expected.acknowledged();
      // With writes in between, which come to be acknowledged or not.
      let records = 0;
      expected.wrote(["a", "a4"], ["d"]);
      writeEach(store, [["a", "a4"], ["d"]]);
      store.compact("all", () => {
        if (++records % 3 !== 1) return;
        const write: KeyValue = records % 2 === 0 ? ["e"] : ["e", `${records}`];
        expected.wrote(write);
        store.write(write);
      });
    },
    ({ directory, expected }) => checkCrash(directory, TINY, expected),
    every,
  );
  assert(crashes > 150 / every, `only ${crashes} crashes`);
}

/**
 * Checks that a compaction loses nothing, and brings nothing back, when one of
 * its steps fails: not then, not in the compactions and removals that follow,
 * and not in a crash after any of them.
 *
 * @param scenario What is compacted.
 * @param every Of how many steps one is tried. If not each is, the kinds of
 * crashes take turns.
 */
export async function failInCompaction(
  scenario: CompactionScenario,
  every: number,
): Promise<void> {
  for (const halfWrites of [false, true]) {
    for (let failing = 1;; failing += every) {
      try {
        const kinds = (moment: number) =>
          every === 1
            ? CRASH_KINDS
            : [CRASH_KINDS[(failing + moment) % CRASH_KINDS.length]];
        if (await failAtStep(scenario, failing, halfWrites, kinds)) continue;
      } catch (cause) {
        const half = halfWrites ? ", half done" : "";
        throw new Error(`After step ${failing} failed${half}`, { cause });
      }
      assert(failing > 20, `only ${failing} steps`);
      break;
    }
  }
}

/** Returns whether there was such a step. */
async function failAtStep(
  { options, fill, removed }: CompactionScenario,
  failing: number,
  halfWrites: boolean,
  kinds: (moment: number) => readonly CrashKind[],
): Promise<boolean> {
  using store = new TempStore(options);
  using disk = new FaultyDisk(store.directory);
  disk.halfWrites = halfWrites;
  const expected = new Expectation();
  await fill(store, expected);
  await store.sync();
  expected.acknowledged();
  const { steps } = disk;
  disk.failAt(steps + failing);
  try {
    // What fails the first time may be done the second.
    store.compact();
  } catch (error) {
    assertInstanceOf(error, InjectedFault);
  }
  disk.heal();
  if (disk.steps < steps + failing) return false;
  using crashes = new Crashes(disk, options);
  let moment = 0;
  const check = () => {
    assertExpected(store.entries(), expected.capture());
    if (!store.log.refusal.isSet) store.assertConsistent();
    crashes.add(expected, kinds(moment++));
  };
  check();
  for (const key of removed) {
    const [outcome] = store.write([key]);
    if (outcome instanceof WritesRefusedError) continue;
    assertEquals(outcome, true);
    expected.wrote([key]);
  }
  if (!store.log.refusal.isSet) {
    await store.sync();
    expected.acknowledged();
  }
  check();
  // Written to, compacted again and opened anew, it is as it should be.
  for (let turn = 0; turn < 2; turn++) {
    try {
      store.compact();
    } catch (error) {
      assertInstanceOf(error, WritesRefusedError);
    }
    check();
  }
  disk[Symbol.dispose]();
  crashes.check();
  return true;
}

/** What crashes of each kind would leave at several moments. */
class Crashes implements Disposable {
  readonly #disk: FaultyDisk;
  readonly #options: TestStoreOptions;
  readonly #left: {
    readonly directory: TempDirectory;
    readonly allowed: ReturnType<Expectation["capture"]>;
  }[] = [];

  constructor(disk: FaultyDisk, options: TestStoreOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  add(expected: Expectation, kinds: readonly CrashKind[]): void {
    for (const kind of kinds) {
      const directory = new TempDirectory(MEMORY);
      this.#disk.copy(kind, directory.path);
      this.#left.push({ directory, allowed: expected.capture() });
    }
  }

  check(): void {
    for (const { directory, allowed } of this.#left) {
      checkCrash(directory.path, this.#options, allowed);
    }
  }

  [Symbol.dispose](): void {
    for (const { directory } of this.#left) directory[Symbol.dispose]();
  }
}
