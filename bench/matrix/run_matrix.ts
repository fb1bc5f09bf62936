/**
 * Measuring every combination.
 *
 * @module
 */

import type { EngineName, SyncMode } from "../../engine/engine.ts";
import type { PoolStrategy } from "../../pool/pool.ts";
import type { Operation } from "../load/plan.ts";
import { ChildServer } from "../support/child_server.ts";
import type { DataDirs } from "../support/data_dirs.ts";
import type { LoadGenerator } from "../support/load_generator.ts";
import { PageCache } from "../support/page_cache.ts";
import { type Result, Samples } from "../support/samples.ts";
import {
  DATA,
  FASTEST,
  measure,
  type Style,
  type Timing,
  warmUp,
} from "../support/workload.ts";
import { type MatrixOptions, NAIVE_THREADS } from "./options.ts";

/** How long a server is made warm for an operation, in milliseconds. */
const WARM_UP_MS = 400;

/** One combination. */
export interface MatrixCase {
  /** The engine, or the echo server, which is the ceiling. */
  readonly subject: EngineName | "echo";
  readonly pool: PoolStrategy;
  readonly threads: number;
  readonly sync: SyncMode;
  readonly operation: Operation;
  readonly style: Style["name"];
  /** Whether the data was on disk only. */
  readonly isCold: boolean;
}

/** A combination and what it gave. */
export type MatrixResult = MatrixCase & Result;

/** A server to start, and all of its cases. */
type ServerCase = Pick<MatrixCase, "subject" | "pool" | "threads" | "sync">;

/** How long to measure the naive pool at least, in milliseconds. */
const NAIVE_MS = 1_500;

/** Larger than what engines keep in memory, small enough to be written soon. */
const COLD_DATA = { keys: 300_000, valueBytes: 1_000 };

/** The length of the replies that the load generator expects. */
const REPLY_BYTES: Readonly<Record<Operation, number>> = {
  get: '{"Ok":""}\n'.length + DATA.valueBytes,
  set: '{"Ok":null}\n'.length,
};

/** Measures a matrix; all cases once, then all again, and so on. */
export class MatrixRun {
  readonly #options: MatrixOptions;
  readonly #generator: LoadGenerator;
  readonly #dirs: DataDirs;
  readonly #samples = new Samples<MatrixCase>();
  readonly #report: (line: string) => void;

  constructor(
    options: MatrixOptions,
    generator: LoadGenerator,
    dirs: DataDirs,
    report: (line: string) => void,
  ) {
    this.#options = options;
    this.#generator = generator;
    this.#dirs = dirs;
    this.#report = report;
  }

  /** Measures everything. */
  async run(): Promise<MatrixResult[]> {
    const { rounds, isCold, engines, operations } = this.#options;
    const filled = await this.#fill(engines, DATA);
    for (let round = 1; round <= rounds; round++) {
      const cases = [...this.#echoCases(), ...this.#serverCases()];
      for (const [i, server] of cases.entries()) {
        const { subject, pool, threads, sync } = server;
        this.#report(
          `round ${round}/${rounds}, ${i + 1}/${cases.length}: ` +
            `${subject} ${pool} × ${threads}, sync ${sync}`,
        );
        if (subject === "echo") await this.#measureEcho(server);
        else await this.#measureServer(server, filled.get(subject)!);
      }
    }
    filled.forEach((dir) => this.#dirs.remove(dir));
    if (isCold && operations.includes("get")) await this.#runCold();
    return this.#samples.results();
  }

  async #fill(
    engines: readonly EngineName[],
    data: typeof DATA,
  ): Promise<Map<EngineName, string>> {
    const filled = new Map<EngineName, string>();
    for (const engine of engines) {
      this.#report(`filling ${engine} with ${data.keys} keys`);
      filled.set(engine, await this.#dirs.filled(engine, data));
    }
    return filled;
  }

  #echoCases(): ServerCase[] {
    return this.#options.threads.map((threads) => ({
      subject: "echo",
      pool: "reuse-port",
      threads,
      sync: "no",
    }));
  }

  #serverCases(): ServerCase[] {
    const { engines, syncs, pools, threads } = this.#options;
    return engines.flatMap((subject) =>
      syncs.flatMap((sync) =>
        pools.flatMap((pool) =>
          (pool === "naive" ? [NAIVE_THREADS] : threads).map((threads) => ({
            subject,
            pool,
            threads,
            sync,
          }))
        )
      )
    );
  }

  async #measureEcho(server: ServerCase): Promise<void> {
    for (const operation of this.#options.operations) {
      await using echo = await ChildServer.startEcho(
        server.threads,
        REPLY_BYTES[operation],
      );
      await this.#measureStyles(echo, server, operation);
    }
  }

  async #measureServer(server: ServerCase, filled: string): Promise<void> {
    const dir = this.#dirs.copy(filled);
    {
      await using child = await this.#start(server, dir);
      // Writes come last, or their compactions would disturb the reads.
      for (const operation of this.#options.operations) {
        // Reads do not depend on the sync mode: they are measured in one only.
        const isRepeated = operation === "get" &&
          server.sync !== this.#options.syncs[0];
        if (!isRepeated) await this.#measureStyles(child, server, operation);
      }
    }
    this.#dirs.remove(dir);
  }

  #start(server: ServerCase, dir: string): Promise<ChildServer> {
    const { subject, pool, threads, sync } = server;
    if (subject === "echo") throw new Error("The echo server has no data");
    return ChildServer.startKvs({ dir, engine: subject, pool, threads, sync });
  }

  async #measureStyles(
    child: ChildServer,
    server: ServerCase,
    operation: Operation,
  ): Promise<void> {
    // A Worker that ends with its job is never warm.
    if (server.pool !== "naive") {
      await warmUp(
        this.#generator,
        child,
        { operation, style: FASTEST },
        WARM_UP_MS,
      );
    }
    for (const style of this.#options.styles) {
      this.#samples.add(
        { ...server, operation, style: style.name, isCold: false },
        await measure(
          this.#generator,
          child,
          { operation, style },
          this.#timingFor(server),
        ),
      );
    }
  }

  /** A job of the naive pool takes tens of milliseconds. */
  #timingFor({ pool }: ServerCase): Timing {
    const { timing } = this.#options;
    if (pool !== "naive") return timing;
    return { ...timing, measureMs: Math.max(timing.measureMs, NAIVE_MS) };
  }

  /**
   * Reads from disk: each run has a server of its own, started once the files
   * are out of the page cache, and is counted from its first request.
   */
  async #runCold(): Promise<void> {
    const { rounds, engines, timing, threads } = this.#options;
    const filled = await this.#fill(engines, COLD_DATA);
    using pageCache = new PageCache();
    // Between the extremes nothing new is to be seen.
    const extremes = new Set([
      Math.min(...threads),
      navigator.hardwareConcurrency,
      Math.max(...threads),
    ]);
    const [sync] = this.#options.syncs;
    const style = {
      name: "unpipelined",
      mode: "persistent",
      depth: 1,
    } as const;
    for (let round = 1; round <= rounds; round++) {
      for (const server of this.#serverCases()) {
        const { subject, pool, threads } = server;
        if (
          subject === "echo" || pool === "naive" || server.sync !== sync ||
          !extremes.has(threads)
        ) continue;
        const dir = filled.get(subject)!;
        const resident = pageCache.evict(dir);
        await using child = await this.#start(server, dir);
        const readBefore = child.diskReadBytes;
        const sample = await measure(
          this.#generator,
          child,
          { operation: "get", style, data: COLD_DATA },
          { warmupMs: 0, measureMs: timing.measureMs },
        );
        const requests = sample.ratePerS * timing.measureMs / 1e3;
        const readBytes = (child.diskReadBytes - readBefore) / requests;
        this.#report(
          `cold round ${round}/${rounds}: ${subject} ${pool} × ${threads}, ` +
            `${(resident * 100).toFixed(1)} % in the page cache at first, ` +
            `${readBytes.toFixed(0)} bytes read from disk for each request`,
        );
        this.#samples.add(
          { ...server, operation: "get", style: style.name, isCold: true },
          sample,
        );
      }
    }
    filled.forEach((dir) => this.#dirs.remove(dir));
  }
}
