import { assert, assertEquals } from "@std/assert";
import { testsInChild } from "../_child_tests.ts";
import { until, within } from "../_deadline.ts";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import {
  assertSize,
  COMPACTING,
  COUNTS,
  get,
  JOB_STRATEGIES,
  lines,
  OK,
  RELEASED,
  set,
  SYNCS,
  times,
  withRunner,
} from "./_unruly.ts";

testsInChild(new URL("./_job_pools_deaths.ts", import.meta.url));

for (const strategy of JOB_STRATEGIES) {
  for (const engine of ENGINE_NAMES) {
    const isNaive = strategy === "naive";
    const label = `${strategy}, ${engine}`;

    Deno.test(`JobRunner keeps its contract (${label})`, async (t) => {
      const kitSetup = { strategy, engine, threads: 2 };
      await withRunner(kitSetup, async (kit) => {
        const { run, runBatch, words, log } = kit;
        // A Worker for each job takes its time.
        const many = isNaive ? 4 : COUNTS;
        const failures = isNaive ? 3 : 1_000;

        await t.step("runs every job exactly once", async () => {
          const answers = await times(
            many,
            (i) => run(set(`k${i}`, `v${i}`), get(`count ${i}`), get(`k${i}`)),
          );
          for (const [i, answer] of answers.entries()) {
            assertEquals(answer, `${OK}${OK}{"Ok":"v${i}"}\n`);
          }
          assertEquals(words.subarray(0, many).every((n) => n === 1), true);
        });

        await t.step("answers what throws, and keeps its size", async () => {
          const thrown = await times(
            failures,
            () => run(get("throw"), get("k0")),
          );
          for (const answer of thrown) {
            assertEquals(answer, '{"Err":"Thrown"}\n{"Ok":"v0"}\n');
          }
          const poisoned = await times(
            failures,
            () => runBatch(lines(get("poison"), get("k0"))),
          );
          for (const { answers, isBroken } of poisoned) {
            const text = new TextDecoder().decode(answers);
            assert(/^\{"Err":"[^"]*null[^"]*"\}\n$/.test(text), text);
            assertEquals(isBroken, true);
          }
          assertEquals(log, []);
          const after = isNaive ? 2 : 20;
          const ran = await times(after, () => run(get("k0")));
          assertEquals(ran, Array(after).fill('{"Ok":"v0"}\n'));
          await assertSize(kit, 2);
        });

        await t.step("takes batches and answers of any size", async () => {
          const value = "x".repeat(2_000_000);
          const gets = Array(5_000).fill(get("k0"));
          const [large, small, huge] = await Promise.all([
            run(set("big", value), get("big")),
            run(...gets),
            run(get("large 900000"), get("k0"), get("large 32768")),
          ]);
          // Not assertEquals(), which would print megabytes.
          assert(large === `${OK}{"Ok":"${value}"}\n`);
          assertEquals(small, '{"Ok":"v0"}\n'.repeat(gets.length));
          assert(
            huge ===
              `{"Ok":"${"v".repeat(900_000)}"}\n{"Ok":"v0"}\n` +
                `{"Ok":"${"v".repeat(32_768)}"}\n`,
          );
        });

        await t.step("gives back what was not run yet", async () => {
          const batch = lines(get("large 1500000"), get("k0"));
          const first = await runBatch(batch);
          assertEquals(first.answers.length, 1_500_000 + 10);
          assertEquals(first.isBroken, false);
          const rest = await runBatch(batch.slice(first.consumedBytes));
          const text = new TextDecoder().decode(rest.answers);
          assertEquals(text, '{"Ok":"v0"}\n');
        });
      });
    });
  }
}

for (const strategy of JOB_STRATEGIES) {
  Deno.test(`JobRunner.stop() does not wait for a compaction (${strategy})`, () =>
    withRunner({ strategy, threads: 1 }, async ({ run, runner, words }) => {
      run({ Compact: {} });
      await until(
        "the compaction to begin",
        () => Atomics.load(words, COMPACTING) === 1,
      );
      await within("the stop of the runner", runner.stop(600_000));
    }));
}

for (const strategy of ["shared-queue", "work-stealing"] as const) {
  Deno.test(`JobRunner takes a batch larger than a request may be (${strategy})`, () => {
    const limits = { maxRequestBytes: 100 };
    return withRunner({ strategy, limits }, async ({ run, runBatch }) => {
      const gets = Array(4_000).fill(get("missing"));
      assertEquals(await run(...gets), OK.repeat(gets.length));
      const { answers, isBroken } = await runBatch(
        lines(...gets) + "x".repeat(101),
      );
      const text = new TextDecoder().decode(answers);
      assertEquals(
        text.slice(OK.length * gets.length),
        '{"Err":"Request of 101 bytes exceeds the limit of 100 bytes (--max-request-size)"}\n',
      );
      assertEquals(isBroken, true);
    });
  });

  Deno.test(`JobRunner lets an engine's timers run (${strategy})`, () =>
    withRunner({ strategy, threads: 1 }, async ({ run, words }) => {
      // While it has nothing to do…
      assertEquals(await run(get("timer 0")), OK);
      await until(
        "the timer of an idle Worker",
        () => Atomics.load(words, 0) === 1,
      );
      // …and while it has no pause.
      let isOver = false;
      const clients = times(4, async () => {
        while (!isOver) assertEquals(await run(get("missing")), OK);
      });
      assertEquals(await run(get("timer 1")), OK);
      await until(
        "the timer of a busy Worker",
        () => Atomics.load(words, 1) === 1,
      );
      isOver = true;
      await clients;
    }));

  Deno.test(`JobRunner runs jobs while one compacts (${strategy})`, () =>
    withRunner({ strategy, threads: 1 }, async ({ run, words }) => {
      const compacted = run({ Compact: {} });
      await until(
        "the compaction to begin",
        () => Atomics.load(words, COMPACTING) === 1,
      );
      for (let i = 0; i < 50; i++) {
        assertEquals(
          await run(set("k", `${i}`), get("k")),
          `${OK}{"Ok":"${i}"}\n`,
        );
      }
      Atomics.store(words, RELEASED, 1);
      assertEquals(
        await compacted,
        '{"Ok":{"bytesBefore":2,"bytesAfter":1}}\n',
      );
    }));

  Deno.test(`JobRunner shares the syncs of many jobs (${strategy})`, () => {
    const setup = { strategy, sync: "always", syncDelayMs: 40 } as const;
    return withRunner(setup, async ({ run, words }) => {
      const WRITES = 1_000;
      const writes = times(WRITES, (i) => run(set(`k${i}`, "v")));
      // Whoever only reads does not wait for them.
      let isWritten = false;
      writes.then(() => isWritten = true);
      const read = await run(get("missing"));
      assertEquals([read, isWritten], [OK, false]);
      assertEquals(await writes, Array(WRITES).fill(OK));
      const syncs = Atomics.load(words, SYNCS);
      assert(syncs > 0 && syncs < WRITES / 20, `${syncs} syncs`);
    });
  });

  Deno.test(`JobRunner loses no wake-up between jobs and syncs (${strategy})`, () => {
    const setup = { strategy, threads: 2, sync: "always" } as const;
    return withRunner(setup, async ({ run }) => {
      // With pauses, so that Workers fall asleep, some in the middle of it.
      const client = async (number: number) => {
        for (let i = 0; i < 200; i++) {
          const request = i % 3 === 0 ? set(`k${number}`, "v") : get("missing");
          const answer = within(`job ${i} of client ${number}`, run(request));
          assertEquals(await answer, OK);
          const pauseMs = (i + number) % 3;
          if (pauseMs > 0) {
            await new Promise((resolve) => setTimeout(resolve, pauseMs));
          }
        }
      };
      await Promise.all([0, 1, 2].map(client));
    });
  });
}
