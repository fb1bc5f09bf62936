/**
 * The statistics of a server.
 *
 * @module
 */

import type { StoreStats } from "../engine/engine.ts";
import { REQUEST_KINDS, type RequestKind } from "./request.ts";

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

/** The statistics of a server; counts are since it started. */
export interface ServerStats {
  /** Its version. */
  readonly version: string;
  /** How long it has run, in milliseconds. */
  readonly uptimeMs: number;
  /** How it spreads its work over Workers. */
  readonly pool: string;
  /** The number of Workers. */
  readonly threads: number;
  /** Its Workers; older servers do not have this. */
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
    /** How many were refused since there were too many. */
    readonly refused: number;
  };
  /** Requests that were answered by their kind, `invalid` for no request. */
  readonly operations: Readonly<Record<RequestKind | "invalid", number>>;
  /**
   * Requests that were answered with an error, invalid ones included. That a
   * key to be removed is not there is no error.
   */
  readonly errors: number;
  /** Requests that were refused because the client has not shown the token. */
  readonly denied: number;
  /**
   * How long requests took in the server: from when their batch, which is what
   * one read of a connection brought, began to run in a Worker until its
   * answers could leave, as durable as the sync mode asks. All requests of a
   * batch count as long as the batch. The network and the wait for a Worker are
   * not included. Where a Worker's batches come faster than one in a
   * millisecond, only some are timed, at least one in 64, and count for the
   * others.
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
  operations: Object.fromEntries(
    [...REQUEST_KINDS, "invalid"].map((kind) => [kind, 0]),
  ),
  errors: 0,
  denied: 0,
  latency: { get: LATENCY, set: LATENCY },
};

/** The least that an object must hold, by the types of its members. */
interface Shape {
  readonly [name: string]: "" | 0 | Shape;
}

/** Whether a value is the statistics of a server, which may be newer. */
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
