/**
 * `deno task soak`: whether a server that has run for long is as it was.
 *
 * @module
 */

import { publish } from "./report/publish.ts";
import { parseSoakOptions, SOAK_HELP } from "./soak/options.ts";
import { runSoak } from "./soak/run_soak.ts";
import { soakChart, spellVerdict, verdictsOf } from "./soak/soak_report.ts";
import { describeMachine, machineInWords } from "./support/machine.ts";
import { runProgram } from "./support/run_program.ts";

/** Wrong answers that are shown. */
const SHOWN_WRONG = 20;

async function main(): Promise<void> {
  const options = parseSoakOptions(Deno.args);
  if (options === undefined) {
    console.log(SOAK_HELP);
    return;
  }
  const machine = describeMachine();
  console.error(machineInWords(machine));
  console.error(`Seed ${options.seed}`);
  const root = Deno.makeTempDirSync({ dir: options.dir, prefix: "kvs-soak-" });
  try {
    const report = (line: string) => console.error(line);
    const result = await runSoak(options, root, report);
    const { tally } = result;
    const verdicts = verdictsOf(result, options.durationS);
    for (const verdict of verdicts) console.log(spellVerdict(verdict));
    console.log(
      `${tally.answered} answers, ${tally.wrong.length} wrong; ${tally.lost} requests lost to ${result.troubled.restartsS.length} restarts`,
    );
    for (const wrong of tally.wrong.slice(0, SHOWN_WRONG)) console.log(wrong);
    publish({
      name: "soak",
      isPublic: false,
      lines: [
        { machine, options, tally, restartsS: result.troubled.restartsS },
        ...verdicts,
        ...result.steady.samples.map((s) => ({ server: "steady", ...s })),
        ...result.troubled.samples.map((s) => ({ server: "troubled", ...s })),
      ],
      chart: await soakChart(result, options),
      section: "",
    });
    const isFlat = verdicts.every((verdict) => verdict.isFlat);
    if (!isFlat || tally.wrong.length > 0) Deno.exitCode = 1;
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

if (import.meta.main) await runProgram(main);
