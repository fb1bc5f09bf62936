/**
 * The matrix's results, for people.
 *
 * @module
 */

import type { PoolStrategy } from "../../pool/pool.ts";
import type { Operation } from "../load/plan.ts";
import { drawBars } from "../report/chart.ts";
import { layOut, shortNumber, spreadInWords } from "../report/table.ts";
import { STYLES } from "../support/workload.ts";
import type { MatrixResult } from "./run_matrix.ts";

/** Pools in the chart; the naive one would not be seen beside them. */
const CHART_POOLS: readonly PoolStrategy[] = [
  "reuse-port",
  "shared-queue",
  "work-stealing",
];

/**
 * Puts results into tables.
 *
 * @param results The results.
 * @returns Markdown.
 */
export function matrixTables(results: readonly MatrixResult[]): string {
  const warm = results.filter((result) => !result.isCold);
  const cold = results.filter((result) => result.isCold);
  const parts = unique(warm.map(workOf)).map((work) => {
    const rows = warm.filter((result) => workOf(result) === work);
    return `**${work}**, requests per second:\n\n${rateTable(rows)}`;
  });
  parts.push(
    "Processor time of the server for a request (all threads), in " +
      `microseconds:\n\n${cpuTable(warm)}`,
  );
  if (cold.length > 0) {
    parts.push(
      "**GET from a cold disk**, unpipelined, 300,000 keys with values of " +
        `1,000 bytes:\n\n${coldTable(cold)}`,
    );
  }
  const busy = Math.max(...warm.map((result) => result.generatorBusy));
  parts.push(
    `The load generator computed ${(busy * 100).toFixed(0)} % of the time ` +
      "in its busiest run.",
  );
  return parts.join("\n");
}

function rateTable(results: readonly MatrixResult[]): string {
  const styles = stylesOf(results);
  return layOut({
    head: ["server", "threads", ...styles],
    rows: serversOf(results).map(({ name, threads, of }) => [
      name,
      `${threads}`,
      ...styles.map((style) => {
        const found = of.find((result) => result.style === style);
        return found === undefined ? "" : spreadInWords(found.ratePerS);
      }),
    ]),
  });
}

function cpuTable(results: readonly MatrixResult[]): string {
  const columns = unique(results.map(workOf)).flatMap((work) =>
    stylesOf(results).map((style) => ({ work, style }))
  );
  return layOut({
    head: [
      "server",
      "threads",
      ...columns.map(({ work, style }) => `${work} ${style}`),
    ],
    rows: serversOf(results).map(({ name, threads, of }) => [
      name,
      `${threads}`,
      ...columns.map(({ work, style }) => {
        const found = of.find((result) =>
          workOf(result) === work && result.style === style
        );
        return found === undefined ? "" : shortNumber(found.cpuUs);
      }),
    ]),
  });
}

function coldTable(results: readonly MatrixResult[]): string {
  return layOut({
    head: ["server", "threads", "requests/s", "median ms", "p99 ms"],
    rows: results.map(({ subject, pool, threads, ratePerS, p50Us, p99Us }) => [
      `${subject} ${pool}`,
      `${threads}`,
      spreadInWords(ratePerS),
      shortNumber(p50Us / 1e3),
      shortNumber(p99Us / 1e3),
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

/** Results by their server, the ceiling first. */
function serversOf(results: readonly MatrixResult[]) {
  const nameOf = ({ subject, pool }: MatrixResult) =>
    subject === "echo" ? "(echo: the ceiling)" : `${subject} ${pool}`;
  const keys = unique(
    results.map((result) => `${nameOf(result)}\n${result.threads}`),
  );
  return keys.map((key) => {
    const [name, threads] = key.split("\n");
    const of = results.filter((result) =>
      `${nameOf(result)}\n${result.threads}` === key
    );
    return { name, threads, of };
  });
}

/** What is asked for, and how durably. */
function workOf(
  { operation, sync }: { operation: Operation; sync: string },
): string {
  if (operation === "get") return "GET";
  return sync === "no" ? "SET" : `SET, sync ${sync}`;
}

function stylesOf(results: readonly MatrixResult[]): string[] {
  return unique(results.map((result) => result.style));
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
