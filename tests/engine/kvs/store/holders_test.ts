/**
 * What becomes of what a thread held when it died: the write lock, the lead of
 * a sync or a compaction, the data directory.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DataDirectory } from "../../../../engine/directory.ts";
import { ClosedError, WritesRefusedError } from "../../../../engine/errors.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import type { KvsHandle } from "../../../../engine/kvs/store/handle.ts";
import { KvStore } from "../../../../engine/kvs/store/store.ts";
import { until } from "../../../_deadline.ts";
import { filesOf, openStore, TempDirectory, TestWorker } from "../_helpers.ts";
import type { FailingSync, MortalTask } from "../_mortal_worker.ts";

/** Has a Worker take something, and terminates it. */
async function dieWith(
  hold: MortalTask["hold"],
  handle: KvsHandle,
): Promise<void> {
  using worker = new TestWorker("_mortal_worker.ts");
  await worker.run({ handle, hold } satisfies MortalTask);
}

/** Names of files that tell that an instance lives. */
function lockFiles(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.startsWith("LOCK."));
}

Deno.test("KvStore goes on syncing when the Worker that led a sync has died", async () => {
  using directory = new TempDirectory();
  await using store = openStore(directory.path);
  await store.set("before", "1");
  await dieWith("sync", store.share());
  await store.set("after", "2");
  assertEquals(store.get("after"), "2");
});

Deno.test("KvStore goes on compacting when the Worker that led a compaction has died", async () => {
  using directory = new TempDirectory();
  await using store = openStore(directory.path);
  for (let n = 0; n < 3; n++) await store.set("k", `${n}`);
  await dieWith("compaction", store.share());
  const { bytesBefore, bytesAfter } = await store.compact();
  assertEquals(bytesAfter < bytesBefore, true);
});

Deno.test("KvStore.compact() removes nothing before it knows how a sync beside it ended", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, { sync: "no", onFailure: () => {} });
  for (let n = 0; n < 3; n++) await store.set("k", `${n}`);
  const [original] = filesOf(directory.path, ".log");
  using leader = new TestWorker("_mortal_worker.ts");
  await leader.run(
    { handle: store.share(), hold: "sync" } satisfies MortalTask,
  );
  const compacted = assertRejects(
    () => store.compact(),
    Error,
    "Writes are disabled",
  );
  await until("the copy of what lives", () => {
    const copy = filesOf(directory.path, ".log").at(-1)!;
    return copy !== original &&
      Deno.statSync(`${directory.path}/${copy}`).size > 16;
  });
  // Long enough for a compaction that does not wait.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const fails = `${directory.path}/${original}`;
  await leader.run({ fails } satisfies FailingSync);
  await compacted;
  assertEquals(filesOf(directory.path, ".log").includes(original), true);
  await store.close();
});

Deno.test("KvStore refuses writes when a Worker has died with the write lock, and serves reads", async () => {
  using directory = new TempDirectory();
  const failures: string[] = [];
  const store = openStore(directory.path, {
    onFailure: ({ message }) => failures.push(message),
  });
  await store.set("k", "v");
  await dieWith("write lock", store.share());
  const said =
    "Writes are disabled until the store is opened again: a thread ended while it was writing";
  assertThrows(() => store.set("k", "w"), WritesRefusedError, said);
  assertEquals(store.get("k"), "v");
  assertEquals(
    store.stats().writesRefused,
    "a thread ended while it was writing",
  );
  await store.close();
  await using again = openStore(directory.path);
  assertEquals(again.get("k"), "v");
  await again.set("k", "w");
});

Deno.test("KvStore waits for no reader of the index that has died", async () => {
  using directory = new TempDirectory();
  await using store = openStore(directory.path, { sync: "no" });
  const { arena } = Keydir.attach(store.share().index);
  await dieWith("reading", store.share());
  assertEquals(arena.epochs.holders().size, 1);
  await until(
    "the dead reader to be found",
    () => arena.epochs.holders().size === 0,
  );
  await store.set("k", "v");
  assertEquals(store.get("k"), "v");
});

Deno.test("KvStore.close() leaves no file that says that an instance lives", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const clone = KvStore.attach(store.share());
  assertEquals(lockFiles(directory.path).length, 2);
  await clone.close();
  assertEquals(lockFiles(directory.path).length, 1);
  await dieWith("place", store.share());
  await store.compact();
  await store.close();
  assertEquals(lockFiles(directory.path), []);
});

Deno.test("KvStore.open() refuses a directory that Workers still write to after its opener died", async () => {
  using directory = new TempDirectory();
  let clone: KvStore;
  {
    using opener = new TestWorker("_opening_worker.ts");
    clone = KvStore.attach(await opener.run(directory.path));
  }
  await clone.set("k", "v");
  assertThrows(
    () => openStore(directory.path),
    Error,
    `Cannot open data directory "${directory.path}": Workers that have outlived the opener of the store still have it open`,
  );
  assertThrows(
    () => DataDirectory.open(directory.path, { engine: "kvs" }),
    Error,
    "still have it open",
  );
  await clone.set("k", "w");
  await clone.close();
  await using store = openStore(directory.path);
  assertEquals(store.get("k"), "w");
  assertEquals(filesOf(directory.path, ".log").length, 1);
});

Deno.test("KvStore.close() of an instance that its store has left behind takes no other one for dead", async () => {
  using directory = new TempDirectory();
  const before = openStore(directory.path);
  const left = KvStore.attach(before.share());
  await before.close();
  let clone: KvStore;
  {
    using opener = new TestWorker("_opening_worker.ts");
    clone = KvStore.attach(await opener.run(directory.path));
  }
  const files = lockFiles(directory.path);
  await left.close();
  assertEquals(lockFiles(directory.path), files);
  await clone.set("k", "v");
  assertThrows(
    () => openStore(directory.path),
    Error,
    "Workers that have outlived the opener of the store still have it open",
  );
  await clone.close();
  await using store = openStore(directory.path);
  assertEquals(store.get("k"), "v");
});

Deno.test("KvStore can do nothing more once it is closed", async () => {
  using directory = new TempDirectory();
  const closed = openStore(directory.path);
  await closed.set("k", "old");
  const handle = closed.share();
  const orphan = KvStore.attach(handle);
  const clone = KvStore.attach(handle);
  await clone.close();
  await closed.close();
  await using store = openStore(directory.path);
  await store.set("k", "new");
  const key = new Uint8Array([107]);
  for (const [name, instance] of Object.entries({ closed, clone, orphan })) {
    const calls: Record<string, () => unknown> = {
      size: () => instance.size,
      get: () => instance.get("k"),
      getBytes: () => instance.getBytes(key),
      viewBytes: () => instance.viewBytes(key),
      scan: () => instance.scan({ limit: 1 }),
      set: () => instance.set("k", "late"),
      remove: () => instance.remove("k"),
      write: () => instance.write([{ key, value: key }]),
      sync: () => instance.sync(),
      stats: () => instance.stats(),
      share: () => instance.share(),
    };
    for (const [method, call] of Object.entries(calls)) {
      assertThrows(call, ClosedError, "Store is closed", `${name}.${method}`);
    }
    await assertRejects(() => instance.compact(), ClosedError);
  }
  assertThrows(() => KvStore.attach(handle), ClosedError);
  await orphan.close();
  assertEquals(store.get("k"), "new");
  await store.set("k", "newer");
  assertEquals(lockFiles(directory.path).length, 1);
});
