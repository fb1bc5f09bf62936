/**
 * What a run of load is made of, as the driver and the generator tell it to
 * each other.
 *
 * @module
 */

/** How requests and replies are spelled. */
export type Dialect =
  /** A kvs server's JSON lines. */
  | "json"
  /** Redis's protocol. */
  | "resp";

/** What the requests ask for. */
export type Operation = "get" | "set";

/** How connections are used. */
export type ConnectionMode =
  /** Kept; the next requests leave when the last are answered. */
  | "persistent"
  /** One request each: connect, send, shut down, read to the end, close. */
  | "one-shot";

/** The data that the requests are about. */
export interface DataSet {
  /** The number of keys; a key takes {@linkcode KEY_BYTES}. */
  readonly keys: number;
  /** The length of each value, in bytes. */
  readonly valueBytes: number;
}

/** A run of load. */
export interface LoadPlan {
  /** The server's port on 127.0.0.1. */
  readonly port: number;
  /** How it is spoken to. */
  readonly dialect: Dialect;
  /** What is asked for. */
  readonly operation: Operation;
  /** The data. */
  readonly data: DataSet;
  /** How connections are used. */
  readonly mode: ConnectionMode;
  /** The number of connections, over all threads. */
  readonly connections: number;
  /** Requests that leave together on a connection; 1 is unpipelined. */
  readonly depth: number;
  /** Threads of the generator; each takes its share of the connections. */
  readonly threads: number;
  /** How long to run before counting, in milliseconds. */
  readonly warmupMs: number;
  /** How long to count, in milliseconds. */
  readonly measureMs: number;
  /**
   * Requests to begin per second, at random moments (a Poisson process) that
   * do not wait for answers; latencies count from those moments. Without it
   * each connection goes as fast as it gets its answers.
   */
  readonly ratePerS?: number;
  /** Sets each key once, in random order, and ends; times do not apply. */
  readonly isFill?: boolean;
}

/** What came of a run. */
export interface LoadResult {
  /** Requests that were answered while they were counted. */
  readonly requests: number;
  /** The same, and those of the warm-up. */
  readonly requestsInAll: number;
  /** Requests that were counted, to a second. */
  readonly ratePerS: number;
  /** Median latency, in microseconds. */
  readonly p50Us: number;
  /** 99th percentile of the latency, in microseconds. */
  readonly p99Us: number;
  /** 99.9th percentile of the latency, in microseconds. */
  readonly p999Us: number;
  /** Processor time of the generator's busiest thread, as a share of the time. */
  readonly generatorBusy: number;
}
