/**
 * `deno task bench:shell`: how many pairs `kvs import` and `kvs export` get
 * through in a second, start and end of the process included.
 *
 * @module
 */

import { parseCommandArgs } from "../cli/args.ts";
import { publish } from "./report/publish.ts";
import { shellChart, shellTable } from "./shell/shell_report.ts";
import { ShellRun } from "./shell/shell_run.ts";
import { describeMachine, machineInWords } from "./support/machine.ts";
import { numberOf, runProgram } from "./support/run_program.ts";

const HELP = `Measures kvs import and kvs export, as processes of their own.

Usage: deno task bench:shell [OPTIONS]

  --pairs N    how many pairs (default 1000000)
  --rounds N   how often to run everything; results are medians (default 3)
  --dir DIR    where to put data, on the disk to be measured
  --publish    write the results, charts and tables of this repository
  --help       show this help
`;

async function main(): Promise<void> {
  const flags = parseCommandArgs(Deno.args, {
    values: { pairs: "1000000", rounds: "3", dir: undefined },
    switches: ["publish", "help"],
  }, []);
  if (flags.has("help")) {
    console.log(HELP);
    return;
  }
  const count = (flag: string, most: number) =>
    Math.floor(numberOf(flag, flags.value(flag)!, { most }));
  const pairs = count("pairs", 100_000_000);
  const rounds = count("rounds", 100);
  const machine = describeMachine();
  console.error(machineInWords(machine));
  const root = Deno.makeTempDirSync({
    dir: flags.value("dir"),
    prefix: "kvs-bench-",
  });
  try {
    const run = new ShellRun(root, pairs);
    for (let round = 1; round <= rounds; round++) {
      await run.round((line) => console.error(`${round}/${rounds}: ${line}`));
    }
    const results = run.results();
    const table = shellTable(results);
    console.log(table);
    publish({
      name: "shell",
      isPublic: flags.has("publish"),
      lines: [{ machine, pairs }, ...results],
      chart: await shellChart(results),
      section: `${machineInWords(machine)}; ${pairs} pairs; median (least – ` +
        `greatest) of ${rounds} rounds.\n\n${table}`,
    });
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

if (import.meta.main) await runProgram(main);
