/**
 * The speed of `kvs import` and `kvs export`, for people.
 *
 * @module
 */

import { drawPanels } from "../report/panels.ts";
import { layOut, spreadInWords } from "../report/table.ts";
import { FORMATS, ORDERS } from "./pair_files.ts";
import { type ShellResult, type Target, TARGETS } from "./shell_run.ts";

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
export function shellChart(results: readonly ShellResult[]): string {
  const bars = (command: string, target: Target, order: string) =>
    FORMATS.map((format) =>
      results.find((result) =>
        result.command === command && result.target === target &&
        result.order === order && result.format === format
      )?.pairsPerS
    );
  return drawPanels({
    title: "kvs import and kvs export",
    note: "Pairs per second, median of rounds; the thin line is what they " +
      "lie between.",
    series: ["JSON lines", "key, tab, value"],
    ceiling: "aim",
    columns: COMMANDS.map((command) => `kvs ${command}`),
    rows: TARGETS.map((target) => ({
      label: target,
      panels: COMMANDS.map((command) => ({
        groups: ORDERS.map((order) => ({
          label: `imported in ${order} order`,
          bars: bars(command, target, order),
          ceiling: target === "--dir" ? AIM_PER_S : undefined,
        })),
      })),
    })),
  });
}

function verdict({ target, pairsPerS }: ShellResult): [string, string] {
  if (target !== "--dir") return ["", ""];
  return [
    (AIM_PER_S / 1e3).toFixed(0) + "k",
    pairsPerS.median >= AIM_PER_S ? "met" : "missed",
  ];
}
