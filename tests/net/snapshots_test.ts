import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionSnapshot } from "../../net/snapshots.ts";
import { Gauges } from "../../monitor/gauges.ts";
import { MemoryEngine } from "../_memory_engine.ts";
import { SnapshotTaker } from "../pool/_snapshot_taker.ts";

const TOO_MANY = "Too many snapshots are open, the limit is 2";

Deno.test("Snapshots.open() bounds the snapshots of all threads", async () => {
  const gauges = Gauges.share(2);
  const engine = new MemoryEngine();
  const takers = [0, 1].map((i) => new SnapshotTaker(engine, gauges, i));
  const [a, b, c] = [0, 0, 1].map((i) =>
    new ConnectionSnapshot(takers[i].snapshots)
  );
  await a.take();
  await c.take();
  await assertRejects(() => b.take(), Error, TOO_MANY);
  assertEquals(b.current, undefined);
  // One for another needs no room.
  await a.take();
  await c.release();
  await b.take();
  await assertRejects(() => c.take(), Error, TOO_MANY);
  a.close();
  b.close();
  takers[0].failure = new Error("No memory");
  for (let i = 0; i < 5; i++) {
    const failing = new ConnectionSnapshot(takers[0].snapshots);
    await assertRejects(() => failing.take(), Error, "No memory");
  }
  await c.take();
  assertEquals([takers[0].open, takers[1].open], [0, 1]);
});

Deno.test("ConnectionSnapshot.close() gives up one that is being taken", async () => {
  const taker = new SnapshotTaker(new MemoryEngine());
  taker.gate = new Promise(() => {});
  const holder = new ConnectionSnapshot(taker.snapshots);
  const taking = holder.take();
  await Promise.resolve();
  holder.close();
  await assertRejects(() => taking, Error, "Connection is closed");
  // As a snapshot does that is there when it is too late to give it up.
  taker.gate = Promise.resolve();
  const late = new ConnectionSnapshot(taker.snapshots);
  const taken = late.take();
  while (taker.open === 0) await Promise.resolve();
  late.close();
  await taken;
  assertEquals([taker.open, late.current], [0, undefined]);
});

Deno.test("Snapshots.close() closes all, and opens no more", async () => {
  const taker = new SnapshotTaker(new MemoryEngine());
  const [held, taking] = [0, 1].map(() =>
    new ConnectionSnapshot(taker.snapshots)
  );
  await held.take();
  taker.gate = new Promise(() => {});
  const refused = assertRejects(
    () => taking.take(),
    Error,
    "Connection is closed",
  );
  await Promise.resolve();
  await taker.snapshots.close();
  await refused;
  assertEquals(taker.open, 0);
  const next = new ConnectionSnapshot(taker.snapshots);
  await assertRejects(() => next.take(), Error, "Server is stopping");
});
