/**
 * `deno task bench`: engines × pools × threads × operations × styles of
 * connection, beside the echo server's ceiling in the same run.
 *
 * @module
 */

import { matrixChart, matrixTables } from "./matrix/matrix_report.ts";
import { MATRIX_HELP, parseMatrixOptions } from "./matrix/options.ts";
import { MatrixRun } from "./matrix/run_matrix.ts";
import { publish } from "./report/publish.ts";
import { DataDirs } from "./support/data_dirs.ts";
import { LoadGenerator } from "./support/load_generator.ts";
import { runProgram } from "./support/run_program.ts";
import { describeMachine, machineInWords } from "./support/machine.ts";

async function main(): Promise<void> {
  const options = parseMatrixOptions(Deno.args);
  if (options === undefined) {
    console.log(MATRIX_HELP);
    return;
  }
  const machine = describeMachine();
  console.error(machineInWords(machine));
  await using generator = new LoadGenerator();
  using dirs = new DataDirs(generator, options.dir);
  const report = (line: string) => console.error(line);
  const results = await new MatrixRun(options, generator, dirs, report).run();
  const tables = matrixTables(results);
  console.log(tables);
  publish({
    name: "matrix",
    isPublic: options.isPublish,
    lines: [{ machine }, ...results],
    chart: await matrixChart(results),
    section: `${machineInWords(machine)}; medians of ` +
      `${options.rounds} rounds.\n\n${tables}`,
  });
}

if (import.meta.main) await runProgram(main);
