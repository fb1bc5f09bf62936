import { assertEquals, assertRejects } from "@std/assert";
import { testsInChild } from "../_child_tests.ts";
import { until } from "../_deadline.ts";
import { makeMoodySet, stopMoodySet } from "./_moody.ts";

testsInChild(new URL("./_worker_set_deaths.ts", import.meta.url));

Deno.test("WorkerSet.start() resolves once all Workers are ready", async () => {
  const { set, log, stop } = makeMoodySet(() => "well");
  await set.start(3);
  await until("all Workers to say so", () => log.length === 3);
  assertEquals(log.toSorted(), ["0 well", "1 well", "2 well"]);
  await stop();
});

Deno.test("WorkerSet.start() rejects if a Worker cannot begin", async () => {
  const { set, stop } = makeMoodySet((number) =>
    number === 1 ? "failing" : "well"
  );
  await assertRejects(() => set.start(2), Error, "Number 1 failed");
  await stop();
});

Deno.test("WorkerSet.stop() rejects if a Worker does not stop in time", async () => {
  const { set } = makeMoodySet(() => "stubborn");
  await set.start(1);
  await assertRejects(
    () => stopMoodySet(set, 20),
    Error,
    "Workers did not stop within 20 ms",
  );
  // It stops in the end, and leaves nothing to the next test.
  await stopMoodySet(set, 5_000);
});
