/**
 * What a server tells of itself.
 *
 * @module
 */

import type { StoreStats } from "../engine/engine.ts";

/** How long requests of one kind took, in microseconds. */
export interface LatencyStats {
  /** The median. */
  readonly p50Us: number;
  /** What 90 of 100 did not exceed. */
  readonly p90Us: number;
  /** What 99 of 100 did not exceed. */
  readonly p99Us: number;
  /** What 999 of 1,000 did not exceed. */
  readonly p999Us: number;
  /** The longest of those that were timed. */
  readonly maxUs: number;
}

/** What a server tells of itself; counts are since it started. */
export interface ServerStats {
  /** Its version. */
  readonly version: string;
  /** How long it has run, in milliseconds. */
  readonly uptimeMs: number;
  /** How it spreads its work over Workers. */
  readonly pool: string;
  /** The number of Workers. */
  readonly threads: number;
  /** How its Workers are; older servers do not tell. */
  readonly workers?: {
    /** How many have died and are not replaced yet. */
    readonly down: number;
    /** How many have died since the server started. */
    readonly died: number;
  };
  /** The store that it serves. */
  readonly store: StoreStats;
  /** The memory that it takes. */
  readonly memory: {
    /** What the process has of the machine's memory, in bytes. */
    readonly rssBytes: number;
    /**
     * What unfinished requests and unread answers take, in bytes, beyond
     * 256 KiB for each connection.
     */
    readonly bufferBytes: number;
  };
  /** The connections that clients made. */
  readonly connections: {
    /** How many there are now. */
    readonly open: number;
    /** How many were accepted. */
    readonly total: number;
    /** How many were one too many. */
    readonly refused: number;
  };
  /** Requests that were answered, by their kind. */
  readonly operations: {
    readonly get: number;
    readonly set: number;
    readonly remove: number;
    readonly scan: number;
    readonly snapshot: number;
    readonly compact: number;
    readonly stats: number;
    readonly auth: number;
    /** What was no request. */
    readonly invalid: number;
  };
  /**
   * Requests that were answered with an error, be they of the operations above
   * or none at all. That a key to be removed is not there is no error.
   */
  readonly errors: number;
  /** Requests that were refused because the client has not shown the token. */
  readonly denied: number;
  /**
   * How long a request was on the server's hands: from when its batch, which
   * is what one read of a connection brought, began to run in a Worker until
   * the answers of that batch could leave, as durable as the sync mode asks.
   * All requests of a batch count as long as the batch. Not in it are the way
   * over the network and the wait for a Worker. Where a Worker's batches come
   * faster than one in a millisecond, only some of them are timed, at least
   * one in 64, and count for the others.
   */
  readonly latency: {
    readonly get: LatencyStats;
    readonly set: LatencyStats;
  };
}

const LATENCY: Shape = {
  p50Us: 0,
  p90Us: 0,
  p99Us: 0,
  p999Us: 0,
  maxUs: 0,
};

const SHAPE: Shape = {
  version: "",
  uptimeMs: 0,
  pool: "",
  threads: 0,
  store: { engine: "", sync: "" },
  memory: { rssBytes: 0, bufferBytes: 0 },
  connections: { open: 0, total: 0, refused: 0 },
  operations: {
    get: 0,
    set: 0,
    remove: 0,
    scan: 0,
    snapshot: 0,
    compact: 0,
    stats: 0,
    auth: 0,
    invalid: 0,
  },
  errors: 0,
  denied: 0,
  latency: { get: LATENCY, set: LATENCY },
};

/** What an object is to hold at least: a text, a number, or more of the same. */
interface Shape {
  readonly [name: string]: "" | 0 | Shape;
}

/**
 * Whether an answer is what a server tells of itself; it may be newer, and
 * tell more.
 */
export function isServerStats(value: unknown): value is ServerStats {
  return hasShape(value, SHAPE);
}

function hasShape(value: unknown, shape: Shape): boolean {
  if (typeof value !== "object" || value === null) return false;
  const members = new Map<string, unknown>(Object.entries(value));
  return Object.entries(shape).every(([name, expected]) => {
    const member = members.get(name);
    return typeof expected === "object"
      ? hasShape(member, expected)
      : typeof member === typeof expected;
  });
}
