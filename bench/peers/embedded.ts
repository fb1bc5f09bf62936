/**
 * The kvs engine beside other embedded stores.
 *
 * @module
 */

import type { DataDirs } from "../support/data_dirs.ts";
import { runModule } from "../support/deno_flags.ts";
import { type Spread, spreadOf } from "../support/spread.ts";
import type { EmbeddedRates } from "./embedded_process.ts";
import type { EmbeddedName } from "./embedded_stores.ts";

/** What one store gave. */
export interface EmbeddedResult {
  readonly kind: "embedded";
  readonly name: EmbeddedName;
  /** Whether each write was on disk before the next. */
  readonly isDurable: boolean;
  /** Operations per second. */
  readonly rates: Readonly<Record<keyof EmbeddedRates, Spread>>;
}

const CASES: readonly Pick<EmbeddedResult, "name" | "isDurable">[] = [
  { name: "kvs", isDurable: false },
  { name: "classic-level", isDurable: false },
  { name: "lmdb", isDurable: false },
  { name: "kvs", isDurable: true },
  { name: "classic-level", isDurable: true },
  { name: "Deno KV", isDurable: true },
  { name: "lmdb", isDurable: true },
];

/** Measures all stores, one after the other, and again. */
export async function measureEmbedded(
  dirs: DataDirs,
  rounds: number,
  measureMs: number,
  report: (line: string) => void,
): Promise<EmbeddedResult[]> {
  const samples = CASES.map((): EmbeddedRates[] => []);
  const missing = new Set<EmbeddedName>();
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { name, isDurable }] of CASES.entries()) {
      if (missing.has(name)) continue;
      report(`embedded, round ${round}/${rounds}: ${name}`);
      const dir = dirs.empty();
      const durability = isDurable ? "durable" : "volatile";
      try {
        samples[i].push(
          await runModule<EmbeddedRates>(
            new URL("./embedded_process.ts", import.meta.url),
            [name, dir, durability, `${measureMs}`],
          ),
        );
      } catch (error) {
        // What belongs to this project must not be missing.
        if (name === "kvs") throw error;
        missing.add(name);
        report(`${name} is left out: ${reasonOf(error)}${hintFor(name)}`);
      }
      dirs.remove(dir);
    }
  }
  return CASES.flatMap((of, i) =>
    samples[i].length === 0
      ? []
      : [{ kind: "embedded" as const, ...of, rates: spreads(samples[i]) }]
  );
}

function spreads(samples: readonly EmbeddedRates[]): EmbeddedResult["rates"] {
  return {
    get: spreadOf(samples.map(({ get }) => Math.round(get))),
    set: spreadOf(samples.map(({ set }) => Math.round(set))),
    setAll: spreadOf(samples.map(({ setAll }) => Math.round(setAll))),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function hintFor(name: EmbeddedName): string {
  return name === "lmdb"
    ? "\nTo have it: deno cache --no-lock npm:lmdb@^3"
    : "";
}
