/**
 * Tests of a set of Workers that die; they run in a process of their own.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { until } from "../_deadline.ts";
import { makeMoodySet } from "./_moody.ts";

Deno.test("WorkerSet replaces a Worker that has died", async () => {
  const { set, log, deaths, stop } = makeMoodySet((number, birth) =>
    number === 1 && birth < 2 ? "dying" : "well"
  );
  await set.start(2);
  await until("the last replacement to be well", () => log.includes("1 well"));
  assertEquals(deaths, [1, 1]);
  const reports = log.filter((line) => line.startsWith("Worker died"));
  assertEquals(reports.length, 2);
  for (const report of reports) {
    assert(/Number 1 died; starting another$/.test(report), report);
  }
  assertEquals(log.filter((line) => line === "0 well").length, 1);
  await stop();
});

/** The waits before Workers that die, or can't begin, are replaced. */
const WAITS = [
  ...Array.from({ length: 5 }, () => ""),
  ...[1, 2, 4, 8, 16, 32, 32, 32].map((ms) => ` in ${ms / 1_000} s`),
];

Deno.test("WorkerSet waits longer and longer where Workers die often", async () => {
  const { set, log, deaths, births, states, stop } = makeMoodySet((
    number,
    birth,
  ) => number === 1 && birth < WAITS.length ? "dying" : "well");
  await set.start(2);
  await until("the last replacement to be well", () => log.includes("1 well"));
  assertEquals(deaths.length, WAITS.length);
  assertEquals(
    log.filter((line) => line.startsWith("Worker died"))
      .map((line) => /starting another(.*)$/.exec(line)?.[1]),
    WAITS,
  );
  // The other one goes on all the while.
  assertEquals(births, [1, WAITS.length + 1]);
  assert(states.every(({ down, waiting }) => down <= 1 && waiting <= down));
  assert(states.some(({ waiting }) => waiting === 1));
  assertEquals(states.at(-1), { down: 0, waiting: 0 });
  await stop();
});

Deno.test("WorkerSet replaces a Worker until one can begin", async () => {
  const { set, log, births, states, stop } = makeMoodySet((_number, birth) =>
    birth === 0 ? "dying" : birth < 8 ? "failing" : "well"
  );
  await set.start(1);
  await until("a replacement to begin", () => log.includes("0 well"));
  assertEquals(
    log.filter((line) => line.startsWith("Number 0 failed")),
    WAITS.slice(1, 8).map((wait) => `Number 0 failed; starting another${wait}`),
  );
  assertEquals(births, [9]);
  assertEquals(states.at(-1), { down: 0, waiting: 0 });
  await stop();
});

Deno.test("WorkerSet.stop() starts none that was waited for", async () => {
  const { set, births, states, stop } = makeMoodySet(() => "dying");
  await set.start(1);
  await until(
    "a death that is waited after",
    () => states.some(({ waiting }) => waiting === 1),
  );
  await stop();
  const count = births[0];
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(births[0], count);
});
