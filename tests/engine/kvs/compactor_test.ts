import { assert, assertEquals, assertRejects } from "@std/assert";
import { within } from "../../_deadline.ts";
import { Compactor } from "../../../engine/kvs/compactor.ts";
import { READER_SLOTS } from "../../../engine/kvs/reader_slots.ts";
import { segmentPath } from "../../../engine/kvs/segment.ts";
import { SEALED } from "../../../engine/kvs/segment_table.ts";
import { KvStore } from "../../../engine/kvs/store.ts";
import { filesOf, openStore, TempDirectory } from "./_helpers.ts";
import { TempLog, type TestLog } from "./_test_log.ts";

const TINY = { segmentBytes: 4_096 };

/** A compactor of a store that has dead bytes in several segments. */
function fill(log: TestLog): void {
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20; n++) log.write([`k${n}`, "x".repeat(500)]);
  }
}

function compactorOf(log: TestLog): Compactor {
  return new Compactor({
    engine: "kvs",
    directory: log.directory,
    sync: "no",
    segmentBytes: 4_096,
    cacheBytes: 0,
    compactAtBytes: Infinity,
    control: log.control.buffer,
    index: log.index.buffer,
  }, log.control);
}

Deno.test("Compactor.compact() compacts in a Worker and tells how far it is", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const before = log.entries();
  const compactor = compactorOf(log);
  const progress: [number, number][] = [];
  const report = await compactor.compact((done, total) => {
    progress.push([done, total]);
  });
  assert(report.bytesAfter < report.bytesBefore / 2);
  assert(progress.length > 0);
  for (const [done, total] of progress) assert(done <= total);
  assertEquals(log.entries(), before);
  log.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.compact() gives all who ask at once the answer of one", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const compactors = [1, 2, 3].map(() => compactorOf(log));
  const reports = await Promise.all(
    compactors.map((compactor) => compactor.compact()),
  );
  assertEquals(reports[1], reports[0]);
  assertEquals(reports[2], reports[0]);
  assertEquals(log.control.compactionRounds.current, 1);
  await Promise.all(compactors.map((compactor) => compactor.close()));
});

Deno.test("Compactor.compact() is not content with one that takes less", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const [background, asked] = [compactorOf(log), compactorOf(log)];
  const hints = background.compactIfWorthwhile(Infinity);
  const report = await asked.compact();
  const { bytesBefore, bytesAfter } = await hints!;
  assertEquals(bytesAfter, bytesBefore);
  assert(report.bytesAfter < report.bytesBefore / 2);
  assertEquals(log.control.compactionRounds.current, 2);
  await Promise.all([background.close(), asked.close()]);
});

Deno.test("Compactor.compact() waits for the next one where that has begun already", async () => {
  using log = new TempLog(TINY);
  const { control } = log;
  const rounds = control.compactionRounds;
  const lead = () => {
    assert(rounds.tryLead());
    control.compactsAll = true;
    control.compactionReport = undefined;
  };
  const end = (bytes: number) => {
    control.compactionReport = { bytesBefore: bytes, bytesAfter: bytes };
    rounds.end();
  };
  const compactor = compactorOf(log);
  lead();
  const waiting = compactor.compact();
  // It hears of the end right after the compactor.
  const over = rounds.over(0);
  end(1);
  lead();
  await within("the end of the first", over);
  end(2);
  const report = await within("the second report", waiting);
  assertEquals(report, { bytesBefore: 2, bytesAfter: 2 });
  await compactor.close();
});

Deno.test("Compactor.compact() rejects for all who wait when it fails", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const [first] = log.ids;
  Deno.truncateSync(segmentPath(log.directory, first), 1_000);
  const compactors = [1, 2].map(() => compactorOf(log));
  const [leader, follower] = await Promise.allSettled(
    compactors.map((compactor) => compactor.compact()),
  );
  assert(leader.status === "rejected" && follower.status === "rejected");
  assertEquals(
    leader.reason.message,
    `Corrupt data in ${
      segmentPath(log.directory, first)
    } at offset 538: sealed segment ends in a torn record`,
  );
  assertEquals(
    follower.reason.message,
    "Compaction failed; see the log of the process",
  );
  // The damaged segment is left out from then on.
  assert(log.ids.includes(first));
  await compactors[1].compact();
  await Promise.all(compactors.map((compactor) => compactor.close()));
});

Deno.test("Compactor.compactIfWorthwhile() waits until there is enough to give back", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const compactor = compactorOf(log);
  await compactor.compactIfWorthwhile(0);
  fill(log);
  const { ids } = log;
  await compactor.compactIfWorthwhile(Infinity);
  // All sealed segments have their hints now, and none has been compacted.
  assertEquals(log.ids, ids);
  assertEquals(compactor.compactIfWorthwhile(Infinity), undefined);
  const size = () =>
    log.control.segments.list().reduce((sum, one) => sum + one.sizeBytes, 0);
  const before = size();
  const dead = log.control.segments.list()
    .filter(({ flags, deadBytes, sizeBytes }) =>
      flags & SEALED && deadBytes * 2 >= sizeBytes
    )
    .reduce((sum, { deadBytes }) => sum + deadBytes, 0);
  assertEquals(compactor.compactIfWorthwhile(dead + 1), undefined);
  await compactor.compactIfWorthwhile(dead);
  assert(size() < before);
  log.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() gives sealed segments their hint files", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const compactor = compactorOf(log);
  await compactor.compactIfWorthwhile(Infinity);
  const hinted = filesOf(log.directory, ".hint").map((name) => parseInt(name));
  assertEquals(
    hinted,
    log.ids.filter((id) => id !== log.control.activeSegment),
  );
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() does nothing while one is under way", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const compactor = compactorOf(log);
  const running = compactor.compact();
  assertEquals(compactor.compactIfWorthwhile(0), undefined);
  assertEquals(compactorOf(log).compactIfWorthwhile(0), undefined);
  await running;
  await compactor.close();
});

Deno.test("Compactor.compactIfWorthwhile() lets some time pass after a failure", async () => {
  using log = new TempLog(TINY);
  fill(log);
  const compactor = compactorOf(log);
  const path = segmentPath(log.directory, log.ids[0]);
  Deno.renameSync(path, `${path}.away`);
  await assertRejects(async () => await compactor.compactIfWorthwhile(0));
  // Or it would start a Worker each second, which fails again.
  assertEquals(compactor.compactIfWorthwhile(0), undefined);
  Deno.renameSync(`${path}.away`, path);
  // Who asks for it gets it.
  await compactor.compact();
  log.assertConsistent();
  await compactor.close();
});

Deno.test("Compactor.close() ends a compaction that is under way", async () => {
  using log = new TempLog(TINY);
  for (let round = 0; round < 30; round++) fill(log);
  const before = log.entries();
  const compactor = compactorOf(log);
  const running = compactor.compact();
  await within("the end of the compaction", compactor.close());
  await running;
  assertEquals(log.control.compactionRounds.underWay, false);
  assertEquals(log.entries(), before);
  log.assertConsistent();
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
