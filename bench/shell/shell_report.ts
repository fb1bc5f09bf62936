/**
 * The speed of `kvs import` and `kvs export`, for people.
 *
 * @module
 */

import { drawBars } from "../report/chart.ts";
import { layOut, spreadInWords } from "../report/table.ts";
import { type ShellResult, TARGETS } from "./shell_run.ts";

/** How fast both commands are to be with `--dir`, in pairs by the second. */
const AIM_PER_S = 300_000;

const COMMANDS = ["import", "export"] as const;

/** Puts the results into a table. */
export function shellTable(results: readonly ShellResult[]): string {
  return layOut({
    head: ["command", "keys imported in", "format", "pairs/s", "aim", ""],
    rows: COMMANDS.flatMap((command) =>
      results.filter((result) => result.command === command).map((result) => [
        `kvs ${command} ${result.target}`,
        `${result.order} order`,
        result.format,
        spreadInWords(result.pairsPerS),
        ...verdict(result),
      ])
    ),
  });
}

/** Draws them. */
export function shellChart(results: readonly ShellResult[]): Promise<string> {
  return drawBars({
    title: "kvs import and kvs export",
    note: "Pairs per second, median of the rounds; thin lines span them",
    series: ["JSON lines", "key, tab, value"],
    limit: "aim",
    groups: "imported in",
    columns: COMMANDS.map((command) => `kvs ${command}`),
    bars: TARGETS.flatMap((target) =>
      results.filter((result) => result.target === target).map((result) => ({
        column: `kvs ${result.command}`,
        row: target,
        group: `${result.order} order`,
        series: result.format === "json" ? "JSON lines" : "key, tab, value",
        value: result.pairsPerS,
        limit: target === "--dir" ? AIM_PER_S : undefined,
      }))
    ),
  });
}

function verdict({ target, pairsPerS }: ShellResult): [string, string] {
  if (target !== "--dir") return ["", ""];
  return [
    (AIM_PER_S / 1e3).toFixed(0) + "k",
    pairsPerS.median >= AIM_PER_S ? "met" : "missed",
  ];
}
