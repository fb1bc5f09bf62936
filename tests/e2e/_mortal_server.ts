/**
 * A server whose Workers obey the files in a directory, and that uses all
 * descriptors up while `hog` is there. It logs as `kvs serve` does.
 *
 * @module
 */

import { KvStore } from "../../engine/kvs/store/store.ts";
import { makeLog } from "../../monitor/log.ts";
import type { PoolStrategy } from "../../pool/pool.ts";
import { KvsServer } from "../../server.ts";
import { exists, startMortalWorkers } from "./_mortal.ts";

/** How often to look for the files, in milliseconds. */
const LOOK_INTERVAL_MS = 20;

const [root, pool, threads] = Deno.args;
const log = makeLog();
const hog = `${root}/hog`;

startMortalWorkers(root);
const store = KvStore.open(`${root}/data`, {
  segmentBytes: 4_096,
  onFailure: ({ message }) => log("error", message),
});
const server = await KvsServer.start(store, {
  addr: "127.0.0.1:0",
  pool: pool as PoolStrategy,
  threads: Number(threads),
  metrics: "127.0.0.1:0",
  log,
});
log("info", `Metrics on ${server.metricsAddr}`);
log("info", `Listening on ${server.addr}`);

const held: Deno.FsFile[] = [];
setInterval(() => {
  if (exists(hog)) {
    if (held.length === 0) log("info", "Using all descriptors up");
    try {
      for (;;) held.push(Deno.openSync("/dev/null"));
    } catch {
      // There are none left.
    }
  } else for (const file of held.splice(0)) file.close();
}, LOOK_INTERVAL_MS);

Deno.addSignalListener("SIGTERM", async () => {
  await server.stop();
  await store.close();
  Deno.exit(0);
});
