/**
 * What `deno task bench` is asked to measure.
 *
 * @module
 */

import { parseCommandArgs } from "../../cli/args.ts";
import { UsageError } from "../../cli/errors.ts";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { EngineName, SyncMode } from "../../engine/engine.ts";
import {
  MAX_THREADS,
  POOL_STRATEGIES,
  type PoolStrategy,
} from "../../pool/pool.ts";
import type { Operation } from "../load/plan.ts";
import { numberOf } from "../support/run_program.ts";
import {
  MAX_ROUNDS,
  type Style,
  STYLES,
  type Timing,
} from "../support/workload.ts";

/** How `--help` describes the options. */
export const MATRIX_HELP =
  `Compares engines, pools and numbers of threads under load.

Usage: deno task bench [OPTIONS]

  --quick           one short round, 1 and 2 threads (about a minute)
  --full            longer runs, and writes that wait for the disk (15 minutes)
  --engine LIST     ${ENGINE_NAMES.join(", ")}
  --pool LIST       ${POOL_STRATEGIES.join(", ")}
  --threads LIST    numbers; the naive pool has 2 at all times
  --operation LIST  get, set
  --style LIST      ${STYLES.map((style) => style.name).join(", ")}
  --sync LIST       no, everysec, always: when answered writes are on disk
  --rounds N        how often to run everything; results are medians
  --warm-only       leave the reads from a cold disk out
  --dir DIR         where to put data, on the disk to be measured
  --publish         write the results, charts and tables of this repository
  --help            show this help

A LIST is separated by commas; by default everything is run.
`;

/** What to measure. */
export interface MatrixOptions {
  readonly engines: readonly EngineName[];
  readonly pools: readonly PoolStrategy[];
  readonly threads: readonly number[];
  readonly operations: readonly Operation[];
  readonly styles: readonly Style[];
  readonly syncs: readonly SyncMode[];
  readonly rounds: number;
  readonly timing: Timing;
  /** Whether to read from a cold disk as well. */
  readonly isCold: boolean;
  /** Where to put data. */
  readonly dir: string | undefined;
  /** Whether to write results into the repository. */
  readonly isPublish: boolean;
}

/** The number of Workers of the naive pool: jobs at once, each with its own. */
export const NAIVE_THREADS = 2;

/** Reads the arguments. */
export function parseMatrixOptions(
  args: readonly string[],
): MatrixOptions | undefined {
  const flags = parseCommandArgs(args, {
    values: {
      engine: undefined,
      pool: undefined,
      threads: undefined,
      operation: undefined,
      style: undefined,
      sync: undefined,
      rounds: undefined,
      dir: undefined,
    },
    switches: ["quick", "full", "warm-only", "publish", "help"],
  }, []);
  if (flags.has("help")) return undefined;
  const isQuick = flags.has("quick");
  const isFull = flags.has("full");
  const choose = <T extends string>(
    flag: string,
    known: readonly T[],
    byDefault?: string,
  ) => chooseFrom(flag, flags.value(flag) ?? byDefault, known);
  const styles = choose("style", STYLES.map((style) => style.name));
  return {
    engines: choose("engine", ENGINE_NAMES),
    pools: choose("pool", POOL_STRATEGIES),
    threads: numbers(
      "threads",
      flags.value("threads") ?? (isQuick ? "1,2" : "1,2,4,8"),
      MAX_THREADS,
    ),
    operations: choose<Operation>("operation", ["get", "set"]),
    styles: STYLES.filter((style) => styles.includes(style.name)),
    syncs: choose<SyncMode>(
      "sync",
      ["no", "everysec", "always"],
      isFull ? "no,always" : "no",
    ),
    rounds: numbers(
      "rounds",
      flags.value("rounds") ?? (isQuick ? "1" : "3"),
      MAX_ROUNDS,
    )[0],
    timing: isQuick
      ? { warmupMs: 150, measureMs: 250 }
      : isFull
      ? { warmupMs: 300, measureMs: 700 }
      : { warmupMs: 150, measureMs: 350 },
    isCold: !flags.has("warm-only"),
    dir: flags.value("dir"),
    isPublish: flags.has("publish"),
  };
}

/** What a flag chooses, in the order of what there is; all by default. */
function chooseFrom<T extends string>(
  flag: string,
  list: string | undefined,
  known: readonly T[],
): readonly T[] {
  if (list === undefined) return known;
  const names = list.split(",");
  for (const name of names) {
    if (!known.some((other) => other === name)) {
      throw new UsageError(
        `Unknown --${flag} "${name}"; expected some of ${known.join(", ")}`,
      );
    }
  }
  return known.filter((name) => names.includes(name));
}

function numbers(flag: string, list: string, most: number): number[] {
  return list.split(",")
    .map((text) => Math.floor(numberOf(flag, text, { most })));
}
