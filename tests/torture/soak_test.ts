import { assert, assertEquals } from "@std/assert";
import { runSoak } from "../../bench/soak/run_soak.ts";
import {
  soakChart,
  spellVerdict,
  verdictsOf,
} from "../../bench/soak/soak_report.ts";
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
        // Only the files of the steady server tell something so soon: the rest
        // takes longer to fill than this takes, and no process of the troubled
        // one lives for long enough to gather anything.
        const [files] = verdicts.filter(({ server, what }) =>
          server === "steady" && what === "open files"
        );
        assert(files.isFlat, spellVerdict(files));
        const chart = await soakChart(result, options);
        assert(chart.includes("mark-line"));
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    },
  });
}
