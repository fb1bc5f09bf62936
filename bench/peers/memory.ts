/**
 * Memory for each key, beside Redis.
 *
 * @module
 */

import { KvsClient } from "../../client.ts";
import type { Dialect } from "../load/plan.ts";
import { ChildServer } from "../support/child_server.ts";
import type { DataDirs } from "../support/data_dirs.ts";
import type { LoadGenerator } from "../support/load_generator.ts";
import { DATA, fill } from "../support/workload.ts";
import { usedMemory } from "./redis.ts";

/** Memory for each key, in bytes. */
export interface MemoryFigures {
  /** By the server's own account. */
  readonly usedBytes: number;
  /** What the process has grown by. */
  readonly processBytes: number;
}

/** Memory for each of a million keys. */
export interface MemoryResult {
  readonly kind: "memory";
  /** What it uses is its index. */
  readonly kvs: MemoryFigures;
  /** Redis keeps the values in memory as well. */
  readonly redis: MemoryFigures | undefined;
}

/** The number of keys; they and their values are as in all benchmarks. */
const KEYS = 1_000_000;

/** How many of them are there before anything is measured: see `warmUp()`. */
const WARM_UP_KEYS = 50_000;

/** Measures it. */
export async function measureMemory(
  dirs: DataDirs,
  generator: LoadGenerator,
  hasRedis: boolean,
): Promise<MemoryResult> {
  const kvs = await measureKvs(dirs, generator);
  const redis = hasRedis ? await measureRedis(dirs, generator) : undefined;
  return { kind: "memory", kvs, redis };
}

async function measureKvs(
  dirs: DataDirs,
  generator: LoadGenerator,
): Promise<MemoryFigures> {
  await using server = await ChildServer.startKvs({
    dir: dirs.empty(),
    engine: "kvs",
    pool: "reuse-port",
    threads: 1,
    sync: "no",
  });
  return await measureGrowth(generator, server, "json", async () => {
    await using client = await KvsClient.connect(`127.0.0.1:${server.port}`);
    return (await client.stats()).store.indexUsedBytes ?? NaN;
  });
}

async function measureRedis(
  dirs: DataDirs,
  generator: LoadGenerator,
): Promise<MemoryFigures> {
  await using server = await ChildServer.startRedis(dirs.empty(), {
    appendonly: "no",
  });
  return await measureGrowth(
    generator,
    server,
    "resp",
    () => usedMemory(server),
  );
}

/** Fills a server, and looks at it before and after. */
async function measureGrowth(
  generator: LoadGenerator,
  server: ChildServer,
  dialect: Dialect,
  used: () => Promise<number>,
): Promise<MemoryFigures> {
  await fill(generator, server, dialect, { ...DATA, keys: WARM_UP_KEYS });
  const usedBefore = await used();
  const rssBefore = server.rssBytes;
  await fill(generator, server, dialect, { ...DATA, keys: KEYS });
  const keys = KEYS - WARM_UP_KEYS;
  return {
    processBytes: (server.rssBytes - rssBefore) / keys,
    usedBytes: (await used() - usedBefore) / keys,
  };
}
