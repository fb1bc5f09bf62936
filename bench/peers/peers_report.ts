/**
 * The comparison's results, for people.
 *
 * @module
 */

import { drawChart, LIMIT_COLOR, SERIES_COLORS } from "../report/chart.ts";
import { layOut, shortNumber } from "../report/table.ts";
import type { CliResult } from "./cli.ts";
import type { EmbeddedResult } from "./embedded.ts";
import { BATCH, type EmbeddedRates } from "./embedded_process.ts";
import type { MemoryResult } from "./memory.ts";
import { SERVER_ROWS } from "./server_rows.ts";
import {
  type GeneratorComparison,
  LATENCY_LABELS,
  type ServerResult,
} from "./servers.ts";

/** Everything that may have been measured. */
export interface PeerResults {
  readonly servers: readonly ServerResult[];
  readonly generators: readonly GeneratorComparison[];
  readonly embedded: readonly EmbeddedResult[];
  readonly memory: MemoryResult | undefined;
  readonly cli: CliResult | undefined;
}

/** One comparison: what we have, what they have, how many times better. */
export interface Comparison {
  readonly label: string;
  readonly peer: string;
  readonly ours: string;
  readonly theirs: string;
  /** More than 1 where ours is better. */
  readonly ratio: number;
  readonly aim?: number;
}

/** The aim for the time of a command, as a share of an empty program's. */
const CLI_AIM = 1.3;

/** Spells the powers of two below 1 as fractions. */
const AXIS_LABEL = "datum.value < 1 ? '1/' + 1 / datum.value : datum.label";

/** Makes all comparisons that the results allow. */
export function compare(results: PeerResults): Comparison[] {
  return [
    ...compareRates(results.servers),
    ...compareLatencies(results.servers),
    ...compareEmbedded(results.embedded),
    ...compareMemory(results.memory),
    ...compareCli(results.cli),
    // Who answered nothing in the time of a run can't be compared.
  ].filter(({ ratio }) => ratio > 0 && Number.isFinite(ratio));
}

function compareRates(servers: readonly ServerResult[]): Comparison[] {
  return SERVER_ROWS.flatMap(({ label, aim, reference }) => {
    const ours = find(servers, "kvs", label);
    const theirs = find(servers, "Redis", label);
    const rate = reference ?? theirs?.ratePerS.median;
    if (ours === undefined || rate === undefined) return [];
    return [{
      label,
      peer: reference === undefined ? "Redis" : "Rust, thread pool",
      ours: shortNumber(ours.ratePerS.median),
      theirs: shortNumber(rate),
      ratio: ours.ratePerS.median / rate,
      aim,
    }];
  });
}

function compareLatencies(servers: readonly ServerResult[]): Comparison[] {
  return LATENCY_LABELS.flatMap((label) => {
    const ours = find(servers, "kvs", label);
    const theirs = find(servers, "Redis", label);
    if (ours === undefined || theirs === undefined) return [];
    const inWords = ({ p99Us, ratePerS }: ServerResult) =>
      `${p99Us.toFixed(0)} µs at ${shortNumber(ratePerS.median)}/s`;
    return [{
      label,
      peer: "Redis",
      ours: inWords(ours),
      theirs: inWords(theirs),
      ratio: theirs.p99Us / ours.p99Us,
      aim: 1,
    }];
  });
}

function compareEmbedded(embedded: readonly EmbeddedResult[]): Comparison[] {
  const works: readonly {
    readonly label: string;
    readonly pick: keyof EmbeddedRates;
    readonly isDurable: boolean;
  }[] = [
    { label: "in process: get", pick: "get", isDurable: true },
    { label: "in process: set, not synced", pick: "set", isDurable: false },
    {
      label: `in process: ${BATCH} sets, not synced`,
      pick: "setAll",
      isDurable: false,
    },
    { label: "in process: set, synced", pick: "set", isDurable: true },
    {
      label: `in process: ${BATCH} sets, synced`,
      pick: "setAll",
      isDurable: true,
    },
  ];
  return works.flatMap(({ label, pick, isDurable }) => {
    const rows = embedded.filter((result) => result.isDurable === isDurable);
    const ours = rows.find(({ name }) => name === "kvs");
    if (ours === undefined) return [];
    return rows.filter((row) => row !== ours).map(({ name, rates }) => ({
      label,
      peer: name,
      ours: shortNumber(ours.rates[pick].median),
      theirs: shortNumber(rates[pick].median),
      ratio: ours.rates[pick].median / rates[pick].median,
      aim: name === "lmdb" ? undefined : 2,
    }));
  });
}

function compareMemory(memory: MemoryResult | undefined): Comparison[] {
  const redis = memory?.redis;
  if (memory === undefined || redis === undefined) return [];
  const bytes = (value: number) => `${value.toFixed(0)} bytes`;
  return [
    {
      label: "memory for a key: index, used_memory",
      peer: "Redis",
      ours: bytes(memory.kvs.usedBytes),
      theirs: bytes(redis.usedBytes),
      ratio: redis.usedBytes / memory.kvs.usedBytes,
      aim: 2,
    },
    {
      label: "memory for a key: growth of the process",
      peer: "Redis",
      ours: bytes(memory.kvs.processBytes),
      theirs: bytes(redis.processBytes),
      ratio: redis.processBytes / memory.kvs.processBytes,
      aim: 2,
    },
  ];
}

function compareCli(cli: CliResult | undefined): Comparison[] {
  if (cli === undefined) return [];
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const row = (label: string, { median }: CliResult["emptyMs"]) => ({
    label,
    peer: "an empty program",
    ours: ms(median),
    theirs: ms(cli.emptyMs.median),
    ratio: cli.emptyMs.median / median,
    aim: 1 / CLI_AIM,
  });
  return [
    row("kvs get --addr, wall time", cli.getFromServerMs),
    row("kvs get --dir, wall time", cli.getFromDirMs),
  ];
}

/** Puts comparisons, and what belongs to them, into tables. */
export function peerTables(results: PeerResults): string {
  const parts = [layOut({
    head: ["work", "peer", "ours", "theirs", "ratio", "aim"],
    rows: compare(results).map((comparison) => [
      comparison.label,
      comparison.peer,
      comparison.ours,
      comparison.theirs,
      comparison.ratio.toFixed(2),
      comparison.aim?.toFixed(2) ?? "",
    ]),
  })];
  const echoes = results.servers.filter(({ subject }) => subject === "echo");
  if (echoes.length > 0) {
    parts.push(
      "Below the echo server, which does nothing but read, frame and write:\n\n" +
        echoTable(results.servers, echoes),
    );
  }
  for (const { style, ours, redisBenchmark } of results.generators) {
    parts.push(
      `Redis, GET ${style}: ${shortNumber(ours)}/s with this load generator, ` +
        `${shortNumber(redisBenchmark)}/s with redis-benchmark.\n`,
    );
  }
  return parts.join("\n");
}

/** Draws the comparisons, on an axis where twice and half are as far from 1. */
export function peerChart(results: PeerResults): Promise<string> {
  const x = {
    field: "ratio",
    type: "quantitative",
    scale: { type: "log", base: 2, nice: false, padding: 12 },
    axis: { labelExpr: AXIS_LABEL },
    title: "ratio, more than 1 where kvs is ahead",
  };
  return drawChart({
    title: {
      text: "kvs beside its peers",
      subtitle: "Ratio in favour of kvs; to Redis where no other is named",
    },
    width: 480,
    height: { step: 24 },
    data: {
      values: compare(results).map(({ label, peer, ratio, aim }) => ({
        label: peer === "Redis" ? label : `${label} / ${peer}`,
        ratio,
        aim,
        spelled: `${ratio.toPrecision(3)} ×`,
        kind: ratio < 1 ? "behind" : "ahead",
      })),
    },
    encoding: {
      y: { field: "label", type: "nominal", sort: null, title: null },
    },
    layer: [
      {
        mark: { type: "bar", height: 14 },
        encoding: {
          x,
          x2: { datum: 1 },
          color: {
            field: "kind",
            scale: {
              domain: ["ahead", "behind", "aim"],
              range: [SERIES_COLORS[2], SERIES_COLORS[1], LIMIT_COLOR],
            },
            legend: { title: null, orient: "top" },
          },
        },
      },
      {
        mark: { type: "text", align: "left", dx: 8 },
        encoding: {
          x: { value: "width" },
          text: { field: "spelled" },
        },
      },
      {
        transform: [{ filter: "isValid(datum.aim)" }],
        mark: {
          type: "tick",
          thickness: 2,
          size: 20,
          opacity: 1,
          color: LIMIT_COLOR,
        },
        encoding: { x: { ...x, field: "aim" } },
      },
    ],
  });
}

function echoTable(
  servers: readonly ServerResult[],
  echoes: readonly ServerResult[],
): string {
  return layOut({
    head: [
      "work",
      "echo/s",
      "kvs/s",
      "kvs/echo",
      "echo µs",
      "kvs µs",
      "Redis µs",
    ],
    rows: echoes.map((echo) => {
      const ours = find(servers, "kvs", echo.label)!;
      const redis = find(servers, "Redis", echo.label);
      return [
        echo.label,
        shortNumber(echo.ratePerS.median),
        shortNumber(ours.ratePerS.median),
        (ours.ratePerS.median / echo.ratePerS.median).toFixed(2),
        shortNumber(echo.cpuUs),
        shortNumber(ours.cpuUs),
        redis === undefined ? "" : shortNumber(redis.cpuUs),
      ];
    }),
  });
}

function find(
  servers: readonly ServerResult[],
  subject: ServerResult["subject"],
  label: string,
): ServerResult | undefined {
  return servers.find((result) =>
    result.subject === subject && result.label === label
  );
}
