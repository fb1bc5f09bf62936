/**
 * A program, since the runtime reports a Worker's death on standard error: a
 * Worker that has a snapshot dies. It prints how many snapshots and removed
 * files of the log there are before and after.
 *
 * @module
 */

import { KvsClient } from "../../client.ts";
import { Gauges } from "../../monitor/gauges.ts";
import { until } from "../_deadline.ts";
import { removedAndRead } from "../_removed_and_read.ts";
import { withObedientPool } from "./_obedient.ts";

await withObedientPool(1, async ({ pool, address, dir, gauges, order }) => {
  order(0, "start");
  const { hostname, port } = await pool.listen(address);
  const client = await KvsClient.connect({ hostname, port });
  await client.set("k", "1");
  await client.snapshot();
  await client.set("k", "2");
  await client.compact();
  const nobodys = new Gauges(gauges, 1);
  const reading = () => ({
    snapshots: nobodys.addSnapshots(0),
    connections: nobodys.addConnections(0),
    files: removedAndRead(dir).length,
  });
  const before = reading();
  order(0, "die");
  await client.get("k").catch(() => {});
  client.close();
  const isOver = () => Object.values(reading()).every((count) => count === 0);
  await until("everything to be let go of", isOver);
  console.log(JSON.stringify({ before, after: reading() }));
});
