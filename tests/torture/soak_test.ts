import { assert, assertEquals } from "@std/assert";
import { runSoak } from "../../bench/soak/run_soak.ts";
import { soakChart, verdictsOf } from "../../bench/soak/soak_report.ts";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import { seed, setting } from "./_settings.ts";

/** How long each soak takes, in seconds. */
const DURATION_S = setting("KVS_TORTURE_SOAK_S", 20);

for (const engine of ENGINE_NAMES) {
  Deno.test({
    name:
      `kvs serve answers right through restarts, and lets nothing go (${engine})`,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const root = Deno.makeTempDirSync({ prefix: "kvs_soak_" });
      const options = {
        durationS: DURATION_S,
        seed: seed(),
        clients: 3,
        engine,
        pool: engine === "kvs" ? "reuse-port" : "work-stealing",
        threads: 2,
        sync: "everysec",
        dir: undefined,
      } as const;
      try {
        const result = await runSoak(options, root, () => {});
        const { steady, troubled, tally } = result;
        assertEquals(tally.wrong, []);
        assert(tally.answered > DURATION_S * 50, `${tally.answered} answers`);
        assert(troubled.restartsS.length > DURATION_S / 10);
        assert(steady.samples.length > DURATION_S);
        const verdicts = verdictsOf(result, DURATION_S);
        assertEquals(verdicts.length, engine === "kvs" ? 8 : 6);
        // The others take longer to fill than this takes.
        for (const { server, what, isFlat, last } of verdicts) {
          assert(last > 0, what);
          if (what === "open files") assert(isFlat, `${what} of ${server}`);
        }
        assert(soakChart(result, options).includes("<polyline"));
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    },
  });
}
