/**
 * Each step that may fail and each bit that may flip, of which the fast tests
 * try one in so many, and more of their random commands.
 *
 * @module
 */

import {
  crashInCompaction,
  failInCompaction,
  LARGE_RECORDS,
  SMALL_RECORDS,
} from "../engine/kvs/_compaction_crashes.ts";
import { flipBitsOfLog } from "../engine/kvs/_corruption.ts";
import {
  crashInLife,
  crashInRepair,
  failInLife,
} from "../engine/kvs/_crashes.ts";
import { testInterruptedReaders } from "../engine/kvs/_interleaving.ts";
import { refillLargest, refillSmall } from "../engine/kvs/_refill.ts";
import { runStoreCommands } from "../engine/kvs/_store_commands.ts";

Deno.test("A store keeps every acknowledged write through a crash at each step of its life", () =>
  crashInLife(1));

Deno.test("A store keeps every acknowledged write when any one step of its life fails", () =>
  failInLife(1));

Deno.test("repairStore() loses nothing that can be read through a crash at each step", () =>
  crashInRepair(1));

Deno.test("compact() keeps every acknowledged write through a crash at each step", () =>
  crashInCompaction(1));

Deno.test("compact() loses nothing when any one of its steps fails", () =>
  failInCompaction(SMALL_RECORDS, 1));

Deno.test("compact() loses no record of whatever size when any one of its steps fails", () =>
  failInCompaction(LARGE_RECORDS, 1));

Deno.test("No flipped bit in a log, whichever it is, goes unnoticed or changes a value", () =>
  flipBitsOfLog(1));

Deno.test("KvStore agrees with a Map under any of 60 lists of commands", () =>
  runStoreCommands(60));

Deno.test("Keydir.set() has room for n keys when n were removed, in any of 500 indexes", () =>
  refillSmall(500));

Deno.test({
  name:
    "Keydir.set() has room for removed keys at the end of any of 200 largest indexes",
  ignore: Deno.systemMemoryInfo().total < 2 ** 34,
  fn: () => refillLargest(200),
});

testInterruptedReaders(1);
