/**
 * Watching a server at work.
 *
 * @module
 */

import type { KvsEngine, StoreStats } from "../engine/engine.ts";
import { Gauges } from "./gauges.ts";
import { VERSION } from "../version.ts";
import { Counters, type CounterTotals, totalsOf } from "./counters.ts";
import type { Histogram } from "./histogram.ts";
import type { LatencyStats, ServerStats } from "../protocol/server_stats.ts";

/** What the threads of a server share to watch it; survives `postMessage`. */
export interface MonitorHandle {
  /** How work is spread over Workers. */
  readonly pool: string;
  /** The number of Workers. */
  readonly threads: number;
  /** When the server started, in milliseconds since 1970. */
  readonly startedMs: number;
  /** A row of counters for each Worker, and one for the main thread. */
  readonly counters: SharedArrayBuffer;
  /** What the connections of all threads hold. */
  readonly gauges: SharedArrayBuffer;
  /** The number of Workers that have died and are not replaced yet. */
  readonly workersDown: SharedArrayBuffer;
}

/** What is known of a server at one moment. */
export interface Reading {
  readonly handle: MonitorHandle;
  readonly uptimeMs: number;
  readonly store: StoreStats;
  readonly rssBytes: number;
  readonly bufferBytes: number;
  readonly connections: number;
  readonly workersDown: number;
  readonly totals: CounterTotals;
}

/**
 * Begins to watch a server.
 *
 * @param pool How it spreads its work over Workers.
 * @param threads The number of Workers.
 */
export function shareMonitor(
  pool: string,
  threads: number,
): MonitorHandle {
  return {
    pool,
    threads,
    startedMs: Date.now(),
    counters: Counters.share(threads + 1),
    gauges: Gauges.share(threads),
    workersDown: new SharedArrayBuffer(4),
  };
}

/** One thread's part in watching a server. */
export class Monitor {
  /** Counts what this thread does. */
  readonly counters: Counters;
  readonly #handle: MonitorHandle;

  /**
   * @param handle What {@linkcode shareMonitor} gave.
   * @param row The Worker's number, from 0; the main thread's comes last.
   */
  constructor(handle: MonitorHandle, row: number) {
    this.#handle = handle;
    this.counters = new Counters(handle.counters, row);
  }

  /** The statistics of all threads and of the store. */
  async stats(engine: KvsEngine): Promise<ServerStats> {
    return statsOf(await readMonitor(this.#handle, engine));
  }
}

/**
 * Reads what all threads have counted, and what the store is like.
 *
 * @param handle What {@linkcode shareMonitor} gave.
 * @param engine The store.
 */
export async function readMonitor(
  handle: MonitorHandle,
  engine: KvsEngine,
): Promise<Reading> {
  const gauges = Gauges.read(handle.gauges);
  return {
    handle,
    // The clock may have been put back meanwhile.
    uptimeMs: Math.max(0, Date.now() - handle.startedMs),
    store: await engine.stats(),
    rssBytes: Deno.memoryUsage().rss,
    bufferBytes: gauges.bufferBytes,
    connections: gauges.connections,
    workersDown: Atomics.load(new Int32Array(handle.workersDown), 0),
    totals: totalsOf(handle.counters),
  };
}

/** The statistics that a reading gives. */
export function statsOf(reading: Reading): ServerStats {
  const { handle, uptimeMs, store, rssBytes, bufferBytes, totals } = reading;
  const { connections: total, refused, errors, denied, deaths, ...operations } =
    totals.counts;
  return {
    version: VERSION,
    uptimeMs,
    pool: handle.pool,
    threads: handle.threads,
    workers: { down: reading.workersDown, died: deaths },
    store,
    memory: { rssBytes, bufferBytes },
    connections: { open: reading.connections, total, refused },
    operations,
    errors,
    denied,
    latency: {
      get: latencyOf(totals.get.histogram),
      set: latencyOf(totals.set.histogram),
    },
  };
}

function latencyOf(histogram: Histogram): LatencyStats {
  const at = (share: number) =>
    Number(histogram.percentileUs(share).toFixed(1));
  return {
    p50Us: at(0.5),
    p90Us: at(0.9),
    p99Us: at(0.99),
    p999Us: at(0.999),
    maxUs: at(1),
  };
}

/** What the main thread counts of its Workers. */
export class WorkerTally {
  readonly #counters: Counters;
  readonly #down: Int32Array;

  /** Counts into the row after those of the Workers. */
  constructor(monitor: MonitorHandle) {
    this.#counters = new Counters(monitor.counters, monitor.threads);
    this.#down = new Int32Array(monitor.workersDown);
  }

  /** Counts a Worker that died. */
  died(): void {
    this.#counters.add("deaths");
  }

  /** Sets how many have died and are not replaced yet. */
  setDown(count: number): void {
    Atomics.store(this.#down, 0, count);
  }
}
