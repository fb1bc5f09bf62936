/**
 * The matrix's results, for people.
 *
 * @module
 */

import type { PoolStrategy } from "../../pool/pool.ts";
import type { Operation } from "../load/plan.ts";
import { drawBars } from "../report/chart.ts";
import { layOut, shortNumber } from "../report/table.ts";
import { STYLES } from "../support/workload.ts";
import type { MatrixResult } from "./run_matrix.ts";

/** Pools in the chart; the naive one would not be seen beside them. */
const CHART_POOLS: readonly PoolStrategy[] = [
  "reuse-port",
  "shared-queue",
  "work-stealing",
];

/** Puts results into tables, as Markdown; ranges are in the chart. */
export function matrixTables(results: readonly MatrixResult[]): string {
  const warm = results.filter((result) => !result.isCold);
  const cold = results.filter((result) => result.isCold);
  const parts = unique(warm.map(workOf)).map((work) => {
    const rows = warm.filter((result) => workOf(result) === work);
    const table = pivot(
      rows,
      ({ style, threads }) => `${style}, ${threads}`,
      ({ ratePerS }) => shortNumber(ratePerS.median),
    );
    return `**${work}**, requests per second, by style and threads:\n\n${table}`;
  });
  const cpu = pivot(
    warm.filter(({ threads }) => threads <= 2),
    (result) => `${workOf(result)} ${result.style}, ${result.threads}`,
    ({ cpuUs }) => shortNumber(cpuUs),
  );
  parts.push(
    "Processor time of the server for a request (all threads), in " +
      `microseconds, by work and threads:\n\n${cpu}`,
  );
  if (cold.length > 0) {
    const table = pivot(
      cold,
      ({ threads }) => `${threads}`,
      ({ ratePerS, p50Us, p99Us }) =>
        [ratePerS.median, p50Us / 1e3, p99Us / 1e3].map(shortNumber).join("; "),
    );
    parts.push(
      "**GET from a cold disk**, unpipelined, 300,000 keys with values of " +
        "1,000 bytes: requests per second, median and 99th percentile in " +
        `milliseconds, by threads:\n\n${table}`,
    );
  }
  const busy = Math.max(...warm.map((result) => result.generatorBusy));
  parts.push(
    `The load generator computed ${(busy * 100).toFixed(0)} % of the time ` +
      "in its busiest run.",
  );
  return parts.join("\n");
}

/** A row for each server and a column for each kind of result. */
function pivot(
  results: readonly MatrixResult[],
  columnOf: (result: MatrixResult) => string,
  spell: (result: MatrixResult) => string,
): string {
  const serverOf = ({ subject, pool }: MatrixResult) =>
    subject === "echo" ? "echo" : `${subject} ${pool}`;
  const order = STYLES.map(({ name }) => name);
  const columns = unique(
    results.toSorted((a, b) =>
      a.operation.localeCompare(b.operation) ||
      order.indexOf(a.style) - order.indexOf(b.style) || a.threads - b.threads
    ).map(columnOf),
  );
  return layOut({
    head: ["server", ...columns],
    rows: unique(results.map(serverOf)).map((server) => [
      server,
      ...columns.map((column) => {
        const found = results.find((result) =>
          serverOf(result) === server && columnOf(result) === column
        );
        return found === undefined ? "" : spell(found);
      }),
    ]),
  });
}

/** Draws the results that were not read from a cold disk. */
export function matrixChart(
  results: readonly MatrixResult[],
): Promise<string> {
  const warm = results.filter((result) => !result.isCold);
  const nameOf = (style: string) => style.replace("-16", " 16");
  return drawBars({
    title: "Requests per second, by engine, pool and number of threads",
    note:
      "50 connections, 100,000 keys, values of 100 bytes; median of the rounds, thin lines span them",
    series: CHART_POOLS,
    limit: "echo server with as many threads",
    groups: "threads",
    columns: STYLES.map(({ name }) => nameOf(name)),
    bars: warm.filter(({ subject, pool }) =>
      subject !== "echo" && CHART_POOLS.includes(pool)
    ).map((result) => ({
      column: nameOf(result.style),
      row: `${result.subject} ${workOf(result)}`,
      group: `${result.threads}`,
      series: result.pool,
      value: result.ratePerS,
      limit: warm.find((echo) =>
        echo.subject === "echo" && echo.style === result.style &&
        echo.operation === result.operation && echo.threads === result.threads
      )?.ratePerS.median,
    })),
  });
}

/** What is asked for, and how durably. */
function workOf(
  { operation, sync }: { operation: Operation; sync: string },
): string {
  if (operation === "get") return "GET";
  return sync === "no" ? "SET" : `SET, sync ${sync}`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
