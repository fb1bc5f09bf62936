/**
 * Tests of runners of jobs whose Workers die; they run in a process of their
 * own.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until } from "../_deadline.ts";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import {
  assertSize,
  COUNTS,
  get,
  JOB_STRATEGIES,
  lines,
  OK,
  set,
  times,
  withRunner,
} from "./_unruly.ts";

for (const strategy of JOB_STRATEGIES) {
  for (const engine of ENGINE_NAMES) {
    Deno.test(`JobRunner replaces a Worker that dies (${strategy}, ${engine})`, () =>
      withRunner({ strategy, engine, threads: 2 }, async (kit) => {
        const { run, runBatch, log } = kit;
        // A Worker for each job takes its time.
        const many = strategy === "naive" ? 4 : COUNTS;
        const sets = await times(many, (i) => run(set(`k${i}`, `v${i}`)));
        assertEquals(sets, Array(many).fill(OK));
        const others = times(many, (i) => run(get(`k${i}`)));
        for (let death = 0; death < 2; death++) {
          const { answers, isBroken } = await runBatch(lines(get("die")));
          const text = new TextDecoder().decode(answers);
          assertStringIncludes(text, '{"Err":"Worker died: ');
          assertStringIncludes(text, "Died");
          assertEquals(isBroken, true);
        }
        for (const [i, answer] of (await others).entries()) {
          // Those that were with the dying Worker have its error.
          if (answer.startsWith('{"Err":"Worker died')) continue;
          assertEquals(answer, `{"Ok":"v${i}"}\n`);
        }
        await assertSize(kit, 2);
        assertEquals(log.length, 2);
      }));
  }
}

for (const strategy of ["shared-queue", "work-stealing"] as const) {
  Deno.test(`JobRunner answers with an error while all Workers wait to be replaced (${strategy})`, () =>
    withRunner({ strategy, threads: 2 }, async ({ run, log }) => {
      await run(set("k", "v"));
      const noneLeft = '{"Err":"No Worker is left: ';
      let deaths = 0;
      for (let answer = ""; !answer.startsWith(noneLeft); deaths++) {
        assert(deaths < 20, answer);
        // Whichever takes it dies; what comes too late for it is answered.
        answer = await run(get("die"));
      }
      assert(deaths > 7, `None was left after ${deaths - 1} deaths`);
      assertStringIncludes(await run(get("k")), noneLeft);
      const waits = log.filter((line) => /another in \d+ s$/.test(line));
      assert(waits.length >= 2, log.join("\n"));
      // The first that is there serves all.
      await until(
        "a Worker to be there again",
        async () => await run(get("k")) === '{"Ok":"v"}\n',
      );
    }));
}
