/**
 * kvs servers beside Redis, and below the echo server.
 *
 * @module
 */

import { ChildServer } from "../support/child_server.ts";
import type { DataDirs } from "../support/data_dirs.ts";
import type { LoadGenerator } from "../support/load_generator.ts";
import { type Result, Samples } from "../support/samples.ts";
import {
  FASTEST,
  fill,
  measure,
  STYLES,
  type Timing,
  warmUp,
} from "../support/workload.ts";
import { logSettings, redisBenchmark } from "./redis.ts";
import { SERVER_ROWS, type ServerRow, type Threads } from "./server_rows.ts";

/** Who answered. */
export type Subject = "kvs" | "Redis" | "echo";

/** What one server gave at one kind of work. */
export interface ServerResult extends Result {
  readonly kind: "server";
  readonly subject: Subject;
  /** The kind of work. */
  readonly label: string;
}

/** A kind of work, who did it, and what of it is to be told apart. */
type ServerCase = Pick<ServerResult, "kind" | "subject" | "label">;

/** How much of the peak latencies are measured at. */
const LATENCY_LOAD = 0.7;

/** Latency needs many requests to be seen at its rare end. */
const LATENCY_TIMES = 5;

const THREADS: readonly Threads[] = ["one", "all"];
const SYNCS = ["no", "always"] as const;

/**
 * The work that latencies are measured at; with one thread, since the load
 * generator keeps a core busy to be on time.
 */
const LATENCY_ROWS = SERVER_ROWS.filter(({ operation, style, threads }) =>
  operation === "get" && style.name === "unpipelined" && threads === "one"
);

/** What all of this needs. */
export interface ServersContext {
  readonly generator: LoadGenerator;
  readonly dirs: DataDirs;
  readonly timing: Timing;
  /** Told how it goes on. */
  readonly report: (line: string) => void;
  /** Whether there is a Redis. */
  readonly hasRedis: boolean;
}

/**
 * How long a server is made warm before each measurement, in milliseconds: at
 * depth 16, so that each key is asked for before, and at what is measured.
 */
const FILLING_MS = 1_000;
const WARM_UP_MS = 500;

/** All servers, side by side; who is not asked anything costs nothing. */
export class Servers implements AsyncDisposable {
  readonly #context: ServersContext;
  readonly #running = new AsyncDisposableStack();
  readonly #kvs = new Map<string, ChildServer>();
  readonly #redis = new Map<string, ChildServer>();
  readonly #echo = new Map<string, ChildServer>();
  readonly #samples = new Samples<ServerCase>();

  private constructor(context: ServersContext) {
    this.#context = context;
  }

  /** Starts and fills all servers. */
  static async start(context: ServersContext): Promise<Servers> {
    const servers = new Servers(context);
    try {
      await servers.#start();
      return servers;
    } catch (error) {
      await servers[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { dirs, generator, hasRedis } = this.#context;
    for (const sync of SYNCS) {
      for (const threads of THREADS) {
        const server = await ChildServer.startKvs({
          dir: dirs.empty(),
          engine: "kvs",
          pool: "reuse-port",
          threads: countOf(threads),
          sync,
        });
        this.#kvs.set(`${threads} ${sync}`, this.#running.use(server));
        await fill(generator, server);
      }
      if (!hasRedis) continue;
      const redis = await ChildServer.startRedis(
        dirs.empty(),
        logSettings(sync),
      );
      this.#redis.set(sync, this.#running.use(redis));
      await fill(generator, redis, "resp");
    }
    for (const threads of THREADS) {
      for (const operation of ["get", "set"] as const) {
        const bytes = operation === "get" ? 110 : 12;
        const server = await ChildServer.startEcho(countOf(threads), bytes);
        this.#echo.set(`${threads} ${operation}`, this.#running.use(server));
      }
    }
  }

  /** Measures every kind of work, ours and theirs one right after the other. */
  async measureRates(round: string): Promise<void> {
    const { report } = this.#context;
    for (const row of SERVER_ROWS) {
      report(`servers, round ${round}: ${row.label}`);
      await this.#measure(this.#kvsFor(row), "kvs", row);
      const redis = row.reference === undefined && this.#redis.get(row.sync);
      if (redis) await this.#measure(redis, "Redis", row);
      // Of what waits for the disk an echo says nothing.
      if (row.sync === "always") continue;
      const echo = this.#echo.get(`${row.threads} ${row.operation}`)!;
      await this.#measure(echo, "echo", row);
    }
  }

  /** Measures latencies at 70 % of the peak that each has shown. */
  async measureLatencies(round: string): Promise<void> {
    const { timing, report, generator } = this.#context;
    const peaks = this.#samples.results();
    for (const row of LATENCY_ROWS) {
      report(`latency, round ${round}: ${row.label}`);
      for (const subject of ["kvs", "Redis"] as const) {
        const server = subject === "kvs"
          ? this.#kvsFor(row)
          : this.#redis.get(row.sync);
        const peak = peaks.find((result) =>
          result.subject === subject && result.label === row.label
        );
        if (server === undefined || peak === undefined) continue;
        this.#samples.add(
          { kind: "server", subject, label: latencyLabel(row) },
          await measure(generator, server, {
            ...row,
            dialect: subject === "Redis" ? "resp" : "json",
            ratePerS: peak.ratePerS.median * LATENCY_LOAD,
          }, { ...timing, measureMs: timing.measureMs * LATENCY_TIMES }),
        );
      }
    }
  }

  /** Measures Redis with our load generator and with its own. */
  async compareGenerators(): Promise<GeneratorComparison[]> {
    const { generator, timing } = this.#context;
    const redis = this.#redis.get("no");
    const comparisons: GeneratorComparison[] = [];
    for (const style of STYLES.filter(({ mode }) => mode === "persistent")) {
      if (redis === undefined) break;
      const work = { operation: "get", style, dialect: "resp" } as const;
      const before = await measure(generator, redis, work, timing);
      const count = Math.ceil(before.ratePerS * timing.measureMs / 1e3);
      const theirs = await redisBenchmark(redis, style.depth, count);
      const after = await measure(generator, redis, work, timing);
      comparisons.push({
        kind: "generator",
        style: style.name,
        ours: Math.round((before.ratePerS + after.ratePerS) / 2),
        redisBenchmark: Math.round(theirs),
      });
    }
    return comparisons;
  }

  /** What was measured so far. */
  results(): ServerResult[] {
    return this.#samples.results();
  }

  /** Ends all servers. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#running.disposeAsync();
  }

  #kvsFor({ threads, sync }: ServerRow): ChildServer {
    return this.#kvs.get(`${threads} ${sync}`)!;
  }

  async #measure(
    server: ChildServer,
    subject: Subject,
    row: ServerRow,
  ): Promise<void> {
    const { generator, timing } = this.#context;
    const dialect = subject === "Redis" ? "resp" : "json";
    // Also before each round: in between, the others were busy, and the work
    // before this one has overwritten what is asked for.
    const filling = { ...row, dialect, style: FASTEST } as const;
    await warmUp(generator, server, filling, FILLING_MS);
    await warmUp(generator, server, { ...row, dialect }, WARM_UP_MS);
    this.#samples.add(
      { kind: "server", subject, label: row.label },
      await measure(generator, server, { ...row, dialect }, timing),
    );
  }
}

/** What two load generators reached against the same Redis. */
export interface GeneratorComparison {
  readonly kind: "generator";
  readonly style: string;
  /** Requests per second of our generator. */
  readonly ours: number;
  /** Requests per second of redis-benchmark. */
  readonly redisBenchmark: number;
}

/** The kinds of work that latencies are measured at. */
export const LATENCY_LABELS: readonly string[] = LATENCY_ROWS.map(latencyLabel);

function latencyLabel({ label }: ServerRow): string {
  return `${label}: p99 at 70 % of the peak`;
}

function countOf(threads: Threads): number {
  return threads === "one" ? 1 : navigator.hardwareConcurrency;
}
