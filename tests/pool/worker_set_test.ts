import { assert, assertEquals, assertRejects } from "@std/assert";
import { until } from "../_deadline.ts";
import { type WorkersDown, WorkerSet } from "../../pool/worker_set.ts";
import type { Mood } from "./_moody_worker.ts";

/** A set whose Workers behave as told by number and birth, and its log. */
function makeSet(moodOf: (number: number, birth: number) => Mood["mood"]) {
  const log: string[] = [];
  const deaths: number[] = [];
  const births: number[] = [];
  const states: WorkersDown[] = [];
  const set = new WorkerSet<Mood>({
    url: new URL("./_moody_worker.ts", import.meta.url),
    name: "moody",
    taskOf: (number) => {
      const birth = births[number] ?? 0;
      births[number] = birth + 1;
      return { number, mood: moodOf(number, birth) };
    },
    onDeath: (number) => deaths.push(number),
    onDown: (down) => states.push(down),
    firstWaitMs: 1,
    log: (_level, message) => log.push(message),
  });
  return { set, log, deaths, births, states, stop: () => stop(set, 5_000) };
}

function stop(set: WorkerSet<Mood>, timeoutMs: number): Promise<void> {
  return set.stop((worker) => worker.postMessage("stop"), timeoutMs);
}

Deno.test("WorkerSet.start() resolves once all Workers are ready", async () => {
  const { set, log, stop } = makeSet(() => "well");
  await set.start(3);
  await until("the condition of the test", () => log.length === 3);
  assertEquals(log.toSorted(), ["0 well", "1 well", "2 well"]);
  await stop();
});

Deno.test("WorkerSet.start() rejects if a Worker cannot begin", async () => {
  const { set, stop } = makeSet((number) => number === 1 ? "failing" : "well");
  await assertRejects(() => set.start(2), Error, "Number 1 failed");
  await stop();
});

Deno.test("WorkerSet replaces a Worker that has died", async () => {
  const { set, log, deaths, stop } = makeSet((number, birth) =>
    number === 1 && birth < 2 ? "dying" : "well"
  );
  await set.start(2);
  await until("the condition of the test", () => log.includes("1 well"));
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
  const { set, log, deaths, births, states, stop } = makeSet((number, birth) =>
    number === 1 && birth < WAITS.length ? "dying" : "well"
  );
  await set.start(2);
  await until("the condition of the test", () => log.includes("1 well"));
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
  const { set, log, births, states, stop } = makeSet((_number, birth) =>
    birth === 0 ? "dying" : birth < 8 ? "failing" : "well"
  );
  await set.start(1);
  await until("the condition of the test", () => log.includes("0 well"));
  assertEquals(
    log.filter((line) => line.startsWith("Number 0 failed")),
    WAITS.slice(1, 8).map((wait) => `Number 0 failed; starting another${wait}`),
  );
  assertEquals(births, [9]);
  assertEquals(states.at(-1), { down: 0, waiting: 0 });
  await stop();
});

Deno.test("WorkerSet.stop() starts none that was waited for", async () => {
  const { set, births, states, stop } = makeSet(() => "dying");
  await set.start(1);
  await until(
    "the condition of the test",
    () => states.some(({ waiting }) => waiting === 1),
  );
  await stop();
  const count = births[0];
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(births[0], count);
});

Deno.test("WorkerSet.stop() rejects if a Worker does not stop in time", async () => {
  const { set } = makeSet(() => "stubborn");
  await set.start(1);
  await assertRejects(
    () => stop(set, 20),
    Error,
    "Workers did not stop within 20 ms",
  );
  // It stops in the end, and leaves nothing to the next test.
  await stop(set, 5_000);
});
