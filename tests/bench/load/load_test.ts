import { assert, assertEquals, assertRejects } from "@std/assert";
import { DEADLINE_MS } from "../../_deadline.ts";
import type { LoadPlan, LoadResult } from "../../../bench/load/plan.ts";
import { ChildServer } from "../../../bench/support/child_server.ts";
import { LoadGenerator } from "../../../bench/support/load_generator.ts";

const PLAN: Omit<LoadPlan, "port"> = {
  dialect: "json",
  operation: "get",
  data: { keys: 1000, valueBytes: 100 },
  mode: "persistent",
  connections: 5,
  depth: 4,
  threads: 2,
  warmupMs: 20,
  measureMs: 100,
};

const ignore = Deno.build.os !== "linux";

Deno.test("LoadGenerator.run() counts what the echo server answers", {
  ignore,
}, async () => {
  await using server = await ChildServer.startEcho(1, 110);
  await using generator = new LoadGenerator();
  for (
    const part of [
      {},
      { mode: "one-shot", depth: 1 },
      { ratePerS: 2_000, depth: 1, threads: 1 },
    ] as const
  ) {
    // A busy machine may give the server no turn in a tenth of a second.
    let measureMs = PLAN.measureMs;
    let result: LoadResult;
    do {
      assert(measureMs < DEADLINE_MS, "Waited for an answer to be counted");
      const plan = { ...PLAN, ...part, measureMs, warmupMs: measureMs / 5 };
      result = await generator.run({ ...plan, port: server.port });
      measureMs *= 4;
    } while (result.requests === 0 || result.requestsInAll === result.requests);
    assert(result.requests > 0 && result.requestsInAll > result.requests);
    assert(result.p50Us > 0 && result.p50Us <= result.p99Us);
  }
});

Deno.test("LoadGenerator.run() refuses any other answer", {
  ignore,
}, async () => {
  // As long as the answer to a write, where one to a read is expected.
  await using server = await ChildServer.startEcho(1, 12);
  await using generator = new LoadGenerator();
  for (const mode of ["persistent", "one-shot"] as const) {
    const plan = { ...PLAN, mode, depth: mode === "one-shot" ? 1 : 16 };
    const error = await assertRejects(
      () => generator.run({ ...plan, port: server.port }),
      Error,
    );
    assertEquals(/Unexpected reply|another reply/.test(error.message), true);
  }
});
