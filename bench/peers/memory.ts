/**
 * Memory for each key, beside Redis.
 *
 * @module
 */

import { ChildServer } from "../support/child_server.ts";
import type { DataDirs } from "../support/data_dirs.ts";
import { runModule } from "../support/deno_flags.ts";
import type { LoadGenerator } from "../support/load_generator.ts";
import { DATA, fill } from "../support/workload.ts";
import { MEMORY_KEYS, type MemoryFigures } from "./memory_process.ts";
import { usedMemory } from "./redis.ts";

/** Bytes of memory for each of a million keys. */
export interface MemoryResult {
  readonly kind: "memory";
  readonly kvs: MemoryFigures;
  /** Redis keeps the values in memory as well. */
  readonly redis: {
    /** By its own account. */
    readonly usedBytes: number;
    /** What the process has grown by. */
    readonly processBytes: number;
  } | undefined;
}

/** Measures it. */
export async function measureMemory(
  dirs: DataDirs,
  generator: LoadGenerator,
  hasRedis: boolean,
): Promise<MemoryResult> {
  const dir = dirs.empty();
  const kvs = await runModule<MemoryFigures>(
    new URL("./memory_process.ts", import.meta.url),
    [dir],
  );
  dirs.remove(dir);
  const redis = hasRedis ? await measureRedis(dirs, generator) : undefined;
  return { kind: "memory", kvs, redis };
}

async function measureRedis(
  dirs: DataDirs,
  generator: LoadGenerator,
): Promise<MemoryResult["redis"]> {
  await using redis = await ChildServer.startRedis(dirs.empty(), {
    appendonly: "no",
  });
  const usedBefore = await usedMemory(redis);
  const rssBefore = redis.rssBytes;
  await fill(generator, redis, "resp", { ...DATA, keys: MEMORY_KEYS });
  return {
    usedBytes: (await usedMemory(redis) - usedBefore) / MEMORY_KEYS,
    processBytes: (redis.rssBytes - rssBefore) / MEMORY_KEYS,
  };
}
