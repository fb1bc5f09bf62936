/**
 * The work that servers are measured at.
 *
 * @module
 */

import type {
  ConnectionMode,
  DataSet,
  Dialect,
  LoadPlan,
  Operation,
} from "../load/plan.ts";
import type { ChildServer } from "./child_server.ts";
import type { LoadGenerator } from "./load_generator.ts";

/** How often everything can be run; more make no median better. */
export const MAX_ROUNDS = 100;

/** A way to use connections. */
export interface Style {
  /** Its name, for tables and flags. */
  readonly name: "one-shot" | "unpipelined" | "depth-16";
  /** Whether connections are kept. */
  readonly mode: ConnectionMode;
  /** Requests that leave together. */
  readonly depth: number;
}

/** All ways to use connections. */
export const STYLES: readonly Style[] = [
  { name: "one-shot", mode: "one-shot", depth: 1 },
  { name: "unpipelined", mode: "persistent", depth: 1 },
  { name: "depth-16", mode: "persistent", depth: 16 },
];

/** The style in which a server gets most done in little time. */
export const FASTEST: Style = STYLES[2];

/** The data that most runs are about. */
export const DATA: DataSet = { keys: 100_000, valueBytes: 100 };

/** The number of connections of all runs. */
export const CONNECTIONS = 50;

/** How long runs take. */
export interface Timing {
  /** How long a run goes before it is counted, in milliseconds. */
  readonly warmupMs: number;
  /** How long it is counted, in milliseconds. */
  readonly measureMs: number;
}

/** A run of load on a server. */
export interface Workload {
  /** What is asked for. */
  readonly operation: Operation;
  /** How connections are used. */
  readonly style: Style;
  /**
   * How the server is spoken to.
   *
   * @default {"json"}
   */
  readonly dialect?: Dialect;
  /**
   * The data.
   *
   * @default {DATA}
   */
  readonly data?: DataSet;
  /** Requests to begin per second; as many as the server takes by default. */
  readonly ratePerS?: number;
}

/** What one run gave. */
export interface Sample {
  /** Requests that were answered, to a second. */
  readonly ratePerS: number;
  /** Median latency, in microseconds. */
  readonly p50Us: number;
  /** 99th percentile of the latency, in microseconds. */
  readonly p99Us: number;
  /** 99.9th percentile of the latency, in microseconds. */
  readonly p999Us: number;
  /** The server's processor time for a request, in microseconds. */
  readonly cpuUs: number;
  /** How much of its time the load generator computed, from 0 to 1. */
  readonly generatorBusy: number;
}

/** Runs load on a server. */
export async function measure(
  generator: LoadGenerator,
  server: ChildServer,
  workload: Workload,
  timing: Timing,
): Promise<Sample> {
  const startCpuMs = server.cpuMs;
  const { requestsInAll, ...result } = await generator.run({
    ...planOf(server, workload),
    ...timing,
  });
  const cpuMs = server.cpuMs - startCpuMs;
  return {
    ratePerS: result.ratePerS,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    p999Us: result.p999Us,
    cpuUs: cpuMs * 1e3 / requestsInAll,
    generatorBusy: result.generatorBusy,
  };
}

/**
 * Makes a server ready to be measured: what it asks of its caches and of its
 * compiler for the first time is not what it costs in the long run.
 */
export async function warmUp(
  generator: LoadGenerator,
  server: ChildServer,
  workload: Workload,
  warmUpMs: number,
): Promise<void> {
  await generator.run({
    ...planOf(server, workload),
    warmupMs: 0,
    measureMs: warmUpMs,
  });
}

/** Sets every key of a data set once. */
export async function fill(
  generator: LoadGenerator,
  server: ChildServer,
  dialect: Dialect = "json",
  data: DataSet = DATA,
): Promise<void> {
  await generator.run({
    ...planOf(server, { operation: "set", style: FASTEST, dialect, data }),
    warmupMs: 0,
    measureMs: 0,
    isFill: true,
  });
}

function planOf(
  server: ChildServer,
  { operation, style, dialect = "json", data = DATA, ratePerS }: Workload,
): Omit<LoadPlan, "warmupMs" | "measureMs"> {
  return {
    port: server.port,
    dialect,
    operation,
    data,
    mode: style.mode,
    connections: CONNECTIONS,
    depth: style.depth,
    // One thread is enough, see how busy it is.
    threads: 1,
    ratePerS,
  };
}
