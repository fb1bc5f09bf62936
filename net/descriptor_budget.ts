/**
 * How many connections the file descriptors of the process are enough for.
 *
 * @module
 */

import type { EngineName } from "../engine/engine.ts";
import type { DescriptorUse } from "./native/descriptors.ts";

/** What each thread always takes: 10 at rest, and its files of the log. */
const THREAD = 13;
/** What each thread may open for a second to read old segments. */
const THREAD_READS = 16;
/** A compaction, two snapshots, the metrics port, and Workers that replace. */
const SHARED = 64;
/** The fewest free descriptors that are of use. */
const LEAST_FREE = 8;
/** The least share of what is free that is for connections. */
const LEAST_SHARE = 1 / 4;

/** The most that LevelDB takes for its tables. */
const LEVEL_TABLES = 1_000;
/** The share of the limit that it takes where that is less. */
const LEVEL_SHARE = 1 / 5;

/** The most connections that a thread accepts before it serves the first. */
const MAX_ACCEPT_AHEAD = 64;

/** What descriptors are enough for. */
export interface DescriptorBudget {
  /** The most connections. */
  readonly maxConnections: number;
  /** The most connections that a thread accepts before it serves the first. */
  readonly acceptAhead: number;
}

/** Where there is no limit, or nobody knows. */
const UNLIMITED: DescriptorBudget = {
  maxConnections: Infinity,
  acceptAhead: MAX_ACCEPT_AHEAD,
};

/**
 * Divides the descriptors of a process among connections and the rest.
 *
 * @param use What it has and may have before its Workers start, if that is
 * known.
 * @param threads The number of Workers.
 * @param engine The engine.
 * @returns What connections may have.
 * @throws {Error} If there are too few to serve with at all.
 */
export function descriptorBudget(
  use: DescriptorUse | undefined,
  threads: number,
  engine: EngineName,
): DescriptorBudget {
  if (use === undefined) return UNLIMITED;
  const taken = use.open + threads * THREAD;
  const free = use.limit - taken;
  if (free < LEAST_FREE) {
    throw new Error(
      `Cannot serve with ${threads} threads: ${use.limit} file descriptors are not enough, at least ${
        taken + LEAST_FREE
      } are needed (see "ulimit -n")`,
    );
  }
  const tables = engine === "level"
    ? Math.min(LEVEL_TABLES, Math.ceil(use.limit * LEVEL_SHARE))
    : 0;
  const reserve = threads * THREAD_READS + SHARED + tables;
  return {
    maxConnections: Math.max(free - reserve, Math.floor(free * LEAST_SHARE)),
    acceptAhead: Math.min(
      Math.max(Math.floor(free / (8 * threads)), 1),
      MAX_ACCEPT_AHEAD,
    ),
  };
}
