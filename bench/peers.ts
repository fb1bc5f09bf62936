/**
 * `deno task bench:peers`: kvs beside Redis, classic-level, Deno KV and lmdb,
 * in one run on one machine.
 *
 * @module
 */

import { parseCommandArgs } from "../cli/args.ts";
import { UsageError } from "../cli/errors.ts";
import { measureCli } from "./peers/cli.ts";
import { measureEmbedded } from "./peers/embedded.ts";
import { measureMemory } from "./peers/memory.ts";
import {
  peerChart,
  type PeerResults,
  peerTables,
} from "./peers/peers_report.ts";
import { findProgram } from "./peers/redis.ts";
import { Servers } from "./peers/servers.ts";
import { publish } from "./report/publish.ts";
import { DataDirs } from "./support/data_dirs.ts";
import { LoadGenerator } from "./support/load_generator.ts";
import { numberOf, runProgram } from "./support/run_program.ts";
import { describeMachine, machineInWords } from "./support/machine.ts";
import { MAX_ROUNDS } from "./support/workload.ts";

const PARTS = ["servers", "embedded", "memory", "cli"] as const;

const HELP = `Compares kvs with its peers, as far as they are installed.

Usage: deno task bench:peers [OPTIONS]

  --quick      one short round (about a minute)
  --only LIST  some of ${PARTS.join(", ")}, separated by commas
  --rounds N   how often to run everything; results are medians (default 3)
  --dir DIR    where to put data, on the disk to be measured
  --publish    write the results, charts and tables of this repository
  --help       show this help

Redis comes with the packages redis-server and redis-tools; lmdb with
'deno cache --no-lock npm:lmdb@^3'. Nothing is installed by itself.
`;

const report = (line: string) => console.error(line);

async function main(): Promise<void> {
  const flags = parseCommandArgs(Deno.args, {
    values: { only: PARTS.join(","), rounds: undefined, dir: undefined },
    switches: ["quick", "publish", "help"],
  }, []);
  if (flags.has("help")) {
    console.log(HELP);
    return;
  }
  const isQuick = flags.has("quick");
  const rounds = Math.floor(numberOf(
    "rounds",
    flags.value("rounds") ?? (isQuick ? "1" : "3"),
    { most: MAX_ROUNDS },
  ));
  const only = flags.value("only")!.split(",");
  const unknown = only.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) {
    throw new UsageError(
      `Unknown part "${unknown}"; expected some of ${PARTS.join(", ")}`,
    );
  }
  const machine = describeMachine();
  report(machineInWords(machine));
  await using generator = new LoadGenerator();
  using dirs = new DataDirs(generator, flags.value("dir"));
  const results = await measure(generator, dirs, only, rounds, isQuick);
  const tables = peerTables(results);
  console.log(tables);
  const { servers, generators, embedded, memory, cli } = results;
  publish({
    name: "peers",
    isPublic: flags.has("publish"),
    lines: [
      { machine },
      ...[...servers, ...generators, ...embedded],
      ...[memory, cli].filter((line) => line !== undefined),
    ],
    chart: await peerChart(results),
    section: `${machineInWords(machine)}; medians of ` +
      `${rounds} rounds.\n\n${tables}`,
  });
}

async function measure(
  generator: LoadGenerator,
  dirs: DataDirs,
  only: readonly string[],
  rounds: number,
  isQuick: boolean,
): Promise<PeerResults> {
  const hasRedis = await findProgram("redis-server");
  if (!hasRedis) {
    report(
      "redis-server is missing: install the packages redis-server and redis-tools",
    );
  }
  const measureMs = isQuick ? 300 : 800;
  const servers = only.includes("servers")
    ? await measureServers()
    : { results: [], generators: [] };
  return {
    servers: servers.results,
    generators: servers.generators,
    embedded: only.includes("embedded")
      ? await measureEmbedded(dirs, rounds, measureMs, report)
      : [],
    memory: only.includes("memory")
      ? await measureMemory(dirs, generator, hasRedis)
      : undefined,
    cli: only.includes("cli")
      ? await measureCliIfPossible(dirs, isQuick)
      : undefined,
  };

  async function measureServers() {
    const timing = { warmupMs: isQuick ? 150 : 300, measureMs };
    await using servers = await Servers.start({
      generator,
      dirs,
      timing,
      report,
      hasRedis,
    });
    for (let round = 1; round <= rounds; round++) {
      await servers.measureRates(`${round}/${rounds}`);
    }
    for (let round = 1; round <= rounds; round++) {
      await servers.measureLatencies(`${round}/${rounds}`);
    }
    const hasBenchmark = await findProgram("redis-benchmark");
    return {
      generators: hasBenchmark ? await servers.compareGenerators() : [],
      results: servers.results(),
    };
  }
}

async function measureCliIfPossible(dirs: DataDirs, isQuick: boolean) {
  report("commands");
  try {
    return await measureCli(dirs, isQuick ? 5 : 25);
  } catch (error) {
    report(
      `The commands are left out: ${
        error instanceof Error ? error.message : error
      }\nThey need a Deno that can compile: DENO names it, DENORT_BIN its runtime`,
    );
  }
}

if (import.meta.main) await runProgram(main);
