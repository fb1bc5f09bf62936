/**
 * What `deno task soak` is asked to do.
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
import { numberOf } from "../support/run_program.ts";

/** How `--help` describes the options. */
export const SOAK_HELP =
  `Loads two servers for a long time, one that runs on and one that is restarted
and killed, checks every answer, and says whether memory, open files and disk
space have stopped growing.

Usage: deno task soak [OPTIONS]

  --minutes N    how long; 600 is ten hours (default 5)
  --seed N       what clients do (default: a new one each time)
  --clients N    clients of each server (default 6)
  --engine NAME  ${ENGINE_NAMES.join(", ")} (default kvs)
  --pool NAME    ${POOL_STRATEGIES.join(", ")}
  --threads N    Workers of each server (default 2)
  --sync MODE    no, everysec (default), always
  --dir DIR      where to put data (default: the system's place for such)
  --help         show this help

Exit codes: 0 if all was right and flat, 1 if not, 2 for wrong usage.
`;

const SYNC_MODES: readonly SyncMode[] = ["no", "everysec", "always"];

/** What to do. */
export interface SoakOptions {
  readonly durationS: number;
  readonly seed: number;
  /** The number of clients of each server. */
  readonly clients: number;
  readonly engine: EngineName;
  readonly pool: PoolStrategy;
  readonly threads: number;
  readonly sync: SyncMode;
  /** Where to put data. */
  readonly dir: string | undefined;
}

/** Reads the arguments. */
export function parseSoakOptions(
  args: readonly string[],
): SoakOptions | undefined {
  const parsed = parseCommandArgs(args, {
    values: {
      minutes: "5",
      seed: `${Math.floor(Math.random() * 2 ** 31)}`,
      clients: "6",
      engine: "kvs",
      pool: "reuse-port",
      threads: "2",
      sync: "everysec",
      dir: undefined,
    },
    switches: ["help"],
  }, []);
  if (parsed.has("help")) return undefined;
  const number = (flag: string, least: number, most: number) =>
    numberOf(flag, parsed.value(flag)!, { least, most });
  const choice = <T extends string>(flag: string, choices: readonly T[]) => {
    const found = choices.find((choice) => choice === parsed.value(flag));
    if (found !== undefined) return found;
    throw new UsageError(
      `--${flag} must be one of ${choices.join(", ")}, found "${
        parsed.value(flag)
      }"`,
    );
  };
  return {
    durationS: number("minutes", 0.1, 60 * 24 * 30) * 60,
    seed: Math.floor(number("seed", 0, 2 ** 32 - 1)),
    clients: Math.floor(number("clients", 1, 1_000)),
    engine: choice("engine", ENGINE_NAMES),
    pool: choice("pool", POOL_STRATEGIES),
    threads: Math.floor(number("threads", 1, MAX_THREADS)),
    sync: choice("sync", SYNC_MODES),
    dir: parsed.value("dir"),
  };
}
