import { assert, assertEquals, assertRejects } from "@std/assert";
import { within } from "../../../_deadline.ts";
import { Compactor } from "../../../../engine/kvs/store/compactor.ts";
import { READER_SLOTS } from "../../../../engine/kvs/index/epochs.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { SEALED } from "../../../../engine/kvs/log/segment_table.ts";
import { KvStore } from "../../../../engine/kvs/store/store.ts";
import { filesOf, openStore, TempDirectory } from "../_helpers.ts";
import { TempStore, type TestStore } from "../_test_store.ts";

const TINY = { segmentBytes: 4_096 };

/** A compactor of a store that has dead bytes in several segments. */
function fill(store: TestStore): void {
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20; n++) store.write([`k${n}`, "x".repeat(500)]);
  }
}

function compactorOf(store: TestStore): Compactor {
  return new Compactor(store.handle, store.log, store.compaction);
}

Deno.test("Compactor.compact() compacts in a Worker and tells how far it is", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const before = store.entries();
  const compactor = compactorOf(store);
  const progress: [number, number][] = [];
  const report = await compactor.compact((done, total) => {
    progress.push([done, total]);
  });
  assert(report.bytesAfter < report.bytesBefore / 2);
  assert(progress.length > 0);
  for (const [done, total] of progress) assert(done <= total);
  assertEquals(store.entries(), before);
  store.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.compact() gives all who ask at once the answer of one", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const compactors = [1, 2, 3].map(() => compactorOf(store));
  const reports = await Promise.all(
    compactors.map((compactor) => compactor.compact()),
  );
  assertEquals(reports[1], reports[0]);
  assertEquals(reports[2], reports[0]);
  assertEquals(store.compaction.leadership.term, 1);
  await Promise.all(compactors.map((compactor) => compactor.close()));
});

Deno.test("Compactor.compact() is not content with one that takes less", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const [background, asked] = [compactorOf(store), compactorOf(store)];
  const hints = background.compactIfWorthwhile(Infinity);
  const report = await asked.compact();
  const { bytesBefore, bytesAfter } = await hints!;
  assertEquals(bytesAfter, bytesBefore);
  assert(report.bytesAfter < report.bytesBefore / 2);
  assertEquals(store.compaction.leadership.term, 2);
  await Promise.all([background.close(), asked.close()]);
});

Deno.test("Compactor.compact() waits for the next one where that has begun already", async () => {
  using store = new TempStore(TINY);
  const state = store.compaction;
  const { leadership } = state;
  const lead = () => {
    assert(leadership.tryLead());
    state.isOfAll = true;
    state.report = undefined;
  };
  const end = (bytes: number) => {
    state.report = { bytesBefore: bytes, bytesAfter: bytes };
    leadership.resign();
  };
  const compactor = compactorOf(store);
  lead();
  const waiting = compactor.compact();
  // It hears of the end right after the compactor.
  const over = leadership.ended(0);
  end(1);
  lead();
  await within("the end of the first", over);
  end(2);
  const report = await within("the second report", waiting);
  assertEquals(report, { bytesBefore: 2, bytesAfter: 2 });
  await compactor.close();
});

Deno.test("Compactor.compact() rejects for all who wait when it fails", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const [first] = store.ids;
  Deno.truncateSync(segmentPath(store.directory, first), 1_000);
  const compactors = [1, 2].map(() => compactorOf(store));
  const [leader, follower] = await Promise.allSettled(
    compactors.map((compactor) => compactor.compact()),
  );
  assert(leader.status === "rejected" && follower.status === "rejected");
  assertEquals(
    leader.reason.message,
    `Corrupt data in ${
      segmentPath(store.directory, first)
    } at offset 538: sealed segment ends in a torn record`,
  );
  assertEquals(
    follower.reason.message,
    "Compaction failed; see the log of the process",
  );
  // The damaged segment is left out from then on.
  assert(store.ids.includes(first));
  await compactors[1].compact();
  await Promise.all(compactors.map((compactor) => compactor.close()));
});

Deno.test("Compactor.compactIfWorthwhile() waits until there is enough to give back", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const compactor = compactorOf(store);
  await compactor.compactIfWorthwhile(0);
  fill(store);
  const { ids } = store;
  await compactor.compactIfWorthwhile(Infinity);
  // All sealed segments have their hints now, and none has been compacted.
  assertEquals(store.ids, ids);
  assertEquals(compactor.compactIfWorthwhile(Infinity), undefined);
  const size = () =>
    store.log.segments.list().reduce((sum, one) => sum + one.sizeBytes, 0);
  const before = size();
  const dead = store.log.segments.list()
    .filter(({ flags, deadBytes, sizeBytes }) =>
      flags & SEALED && deadBytes * 2 >= sizeBytes
    )
    .reduce((sum, { deadBytes }) => sum + deadBytes, 0);
  assertEquals(compactor.compactIfWorthwhile(dead + 1), undefined);
  await compactor.compactIfWorthwhile(dead);
  assert(size() < before);
  store.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() gives sealed segments their hint files", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const compactor = compactorOf(store);
  await compactor.compactIfWorthwhile(Infinity);
  const hinted = filesOf(store.directory, ".hint").map((name) =>
    parseInt(name)
  );
  assertEquals(
    hinted,
    store.ids.filter((id) => id !== store.log.segments.active),
  );
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() does nothing while one is under way", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const compactor = compactorOf(store);
  const running = compactor.compact();
  assertEquals(compactor.compactIfWorthwhile(0), undefined);
  assertEquals(compactorOf(store).compactIfWorthwhile(0), undefined);
  await running;
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() lets some time pass after a failure", async () => {
  using store = new TempStore(TINY);
  fill(store);
  const compactor = compactorOf(store);
  const path = segmentPath(store.directory, store.ids[0]);
  Deno.renameSync(path, `${path}.away`);
  await assertRejects(async () => await compactor.compactIfWorthwhile(0));
  // Or it would start a Worker each second, which fails again.
  assertEquals(compactor.compactIfWorthwhile(0), undefined);
  Deno.renameSync(`${path}.away`, path);
  // Who asks for it gets it.
  await compactor.compact();
  store.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.close() ends a compaction that is under way", async () => {
  using store = new TempStore(TINY);
  for (let round = 0; round < 30; round++) fill(store);
  const before = store.entries();
  const compactor = compactorOf(store);
  const running = compactor.compact();
  await within("the end of the compaction", compactor.close());
  await running;
  assertEquals(store.compaction.leadership.hasLeader, false);
  assertEquals(store.entries(), before);
  store.assertConsistent();
});

Deno.test("Compactor gives back its place among the readers of the index", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, { sync: "no" });

  for (let turn = 0; turn < 5; turn++) {
    await store.set("k", `${turn}`);
    await store.compact();
  }
  // One of the places is the store's own.
  const others = Array.from(
    { length: READER_SLOTS - 1 },
    () => KvStore.attach(store.share()),
  );
  await assertRejects(
    () => store.compact(),
    Error,
    "Cannot attach to the index: 1024 readers are attached already",
  );
  for (const other of others) await other.close();
  await store.compact();
  await store.close();
});
