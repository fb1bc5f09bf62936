/**
 * A program that serves a store, with whatever flags it is run: prints the
 * pool, what was logged, and what a client got, or the error.
 *
 * @module
 */

import { KvsClient } from "../client.ts";
import { KvStore } from "../engine/kvs/store/store.ts";
import type { PoolStrategy } from "../pool/pool.ts";
import { KvsServer } from "../server.ts";

const [directory, pool] = Deno.args;
await using store = KvStore.open(directory);
const log: string[] = [];
try {
  await using server = await KvsServer.start(store, {
    addr: "127.0.0.1:0",
    threads: 2,
    pool: pool as PoolStrategy | undefined,
    log: (level, message) => log.push(`${level} ${message}`),
  });
  await using client = await KvsClient.connect(server.addr);
  await client.set("k", "v");
  const value = await client.get("k");
  const stats = await server.stats();
  console.log(JSON.stringify({ pool: stats.pool, value, log }));
} catch (error) {
  console.log(JSON.stringify({ error: `${error}`, log }));
}
