/**
 * The work at which a kvs server is put beside Redis.
 *
 * @module
 */

import type { SyncMode } from "../../engine/engine.ts";
import type { Operation } from "../load/plan.ts";
import { type Style, STYLES } from "../support/workload.ts";

/** How many threads a server has. */
export type Threads = "one" | "all";

/** One kind of work. */
export interface ServerRow {
  readonly label: string;
  readonly operation: Operation;
  readonly style: Style;
  readonly threads: Threads;
  /** When a write is on disk; Redis's `appendfsync` for the other side. */
  readonly sync: Extract<SyncMode, "no" | "always">;
  /** What the ratio of throughput, ours to theirs, is to be at least. */
  readonly aim: number;
  /** A known rate to compare with, where it is not Redis's. */
  readonly reference?: number;
}

/**
 * Connections per second that a thread-pool server in Rust takes at the
 * one-shot protocol on a machine of this kind.
 */
const RUST_ONE_SHOT_RATE = 12_200;

const [ONE_SHOT, UNPIPELINED, DEPTH_16] = STYLES;

/** Everything that is compared, in the order in which it is shown. */
export const SERVER_ROWS: readonly ServerRow[] = [
  ...pair("get", UNPIPELINED, "no", 1, 1.3),
  ...pair("get", DEPTH_16, "no", 0.7, 1),
  ...pair("set", UNPIPELINED, "no", 1, 1),
  ...pair("set", DEPTH_16, "no", 0.8, 0.8),
  ...pair("set", UNPIPELINED, "always", 1.5, 1.5),
  ...pair("set", DEPTH_16, "always", 1.5, 1.5),
  ...pair("get", ONE_SHOT, "no", 1.3, 1.3).map((row) => ({
    ...row,
    reference: RUST_ONE_SHOT_RATE,
  })),
];

/** The same work with one thread and with all. */
function pair(
  operation: Operation,
  style: Style,
  sync: ServerRow["sync"],
  aimOne: number,
  aimAll: number,
): ServerRow[] {
  const durability = operation === "get" ? "" : `, sync ${sync}`;
  const label = `${operation.toUpperCase()} ${
    style.name.replace("-16", " 16")
  }${durability}`;
  return [
    {
      label: `${label}, 1 thread`,
      operation,
      style,
      threads: "one",
      sync,
      aim: aimOne,
    },
    {
      label: `${label}, all cores`,
      operation,
      style,
      threads: "all",
      sync,
      aim: aimAll,
    },
  ];
}
