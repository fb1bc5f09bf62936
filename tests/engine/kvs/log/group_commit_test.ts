import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { WritesRefusedError } from "../../../../engine/errors.ts";
import {
  FaultyDisk,
  type FileStep,
  InjectedFault,
} from "../_fault_injection.ts";
import { TempDirectory } from "../_helpers.ts";
import { type KeyValue, TempStore, TestStore } from "../_test_store.ts";

/** Calls `note` before each step and lets it happen. */
function watch(disk: FaultyDisk, note: (step: FileStep) => void): void {
  disk.onStep = note;
}

/** Appends one write and returns its ticket. */
function append(store: TestStore, ...write: KeyValue): number {
  assertEquals(store.write(write), [true]);
  return store.writer.ticket;
}

/** What a power failure at this moment would leave. */
function afterPowerFailure(disk: FaultyDisk): Map<string, string> {
  using copy = new TempDirectory();
  disk.copy("power", copy.path);
  using store = new TestStore(copy.path);
  return store.entries();
}

Deno.test("GroupCommit.wait() resolves once the append is on disk", async () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  const ticket = append(store, "k", "v");
  assertEquals(store.log.commit.isSynced(ticket), false);
  assertEquals(afterPowerFailure(disk), new Map());
  await commit.wait(ticket);
  assertEquals(store.log.commit.isSynced(ticket), true);
  // With the name of the new segment.
  assertEquals(afterPowerFailure(disk), new Map([["k", "v"]]));
  await commit.close();
});

Deno.test("GroupCommit.wait() syncs once for all that wait", async () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  const commits = [1, 2, 3].map(() => store.otherLog().commit);
  let syncs = 0;
  watch(disk, ({ call }) => {
    if (call === "syncData") syncs++;
  });
  const waits: Promise<void>[] = [];
  for (let n = 0; n < 30; n++) {
    waits.push(commits[n % 3].wait(append(store, `k${n}`, "v")));
  }
  await Promise.all(waits);
  assertEquals(syncs, 1);
  assertEquals(afterPowerFailure(disk).size, 30);
  await commits[2].wait(append(store, "more", "v"));
  assertEquals(syncs, 2);
  // What is durable already costs no sync.
  await commits[0].wait(store.log.commit.ticket);
  assertEquals(syncs, 2);
  await Promise.all(commits.map((commit) => commit.close()));
});

Deno.test("GroupCommit.wait() leaves an append that came during a sync to the next", async () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  const other = store.otherLog().commit;
  let late: Promise<void> | undefined;
  let syncs = 0;
  watch(disk, ({ call }) => {
    if (call !== "syncData" || ++syncs > 1) return;
    // The leader has noted what it syncs; this may not be in it.
    late = other.wait(append(store, "late", "v"));
  });
  await commit.wait(append(store, "k", "v"));
  await late;
  assertEquals(syncs, 2);
  assertEquals(afterPowerFailure(disk).size, 2);
  await commit.close();
  await other.close();
});

Deno.test("GroupCommit.wait() syncs the segments that were sealed since", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  for (let round = 1; round <= 3; round++) {
    for (let n = 0; n < 20; n++) {
      append(store, `k${n}`, "v".repeat(round * 300));
    }
    await commit.wait(store.writer.ticket);
    assertEquals(afterPowerFailure(disk), store.entries());
  }
  await commit.close();
});

Deno.test("GroupCommit.wait() notices a segment that is sealed as it begins", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  const ticket = append(store, "k", "v");
  const waiting = commit.wait(ticket);
  // The leader reads the newest ticket only in the next turn.
  append(store, "fills", "x".repeat(4_000));
  append(store, "the next", "x");
  await waiting;
  assertEquals(afterPowerFailure(disk).get("k"), "v");
  assertEquals(afterPowerFailure(disk).size, 3);
  await commit.close();
});

Deno.test("GroupCommit.wait() does without a segment that was compacted away", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  const ticket = append(store, "k", "v");
  append(store, "k2", "v");
  const [first] = store.ids;
  watch(disk, ({ call, path }) => {
    if (call !== "openSync" || !path.endsWith(`/${first}.log`)) return;
    // Between the look at what is active and the opening of its file.
    disk.heal();
    append(store, "k2", "v2");
    append(store, "fills", "x".repeat(4_000));
    store.compact();
  });
  await commit.wait(ticket);
  assert(!store.ids.includes(first));
  assertEquals(store.log.refusal.isSet, false);
  assertEquals(afterPowerFailure(disk).get("k"), "v");
  await commit.wait(append(store, "more", "v"));
  assertEquals(afterPowerFailure(disk), store.entries());
  await commit.close();
});

for (const call of ["syncData", "syncSync"] as const) {
  Deno.test(`GroupCommit.wait() rejects all that wait when ${call}() fails, and writes are refused`, async () => {
    using store = new TempStore();
    using disk = new FaultyDisk(store.directory);
    const commit = store.otherLog().commit;
    const other = store.otherLog().commit;
    const waits: Promise<void>[] = [];
    for (let n = 0; n < 10; n++) {
      const waiter = n % 2 === 0 ? commit : other;
      waits.push(waiter.wait(append(store, `k${n}`, "v")));
    }
    disk.failAll(call);
    const results = await Promise.allSettled(waits);
    disk.heal();
    for (const result of results) {
      assert(result.status === "rejected");
      const isExpected = result.reason instanceof InjectedFault ||
        result.reason instanceof WritesRefusedError;
      assert(isExpected, String(result.reason));
    }
    // Nor does a second try take place, which might seem to succeed.
    let steps = 0;
    watch(disk, () => steps++);
    await assertRejects(
      () => other.wait(store.writer.ticket),
      WritesRefusedError,
      "Writes are disabled until the store is opened again: sync of ",
    );
    assertEquals(steps, 0);
    assertInstanceOf(store.write(["k", "v"])[0], WritesRefusedError);
    assertEquals(store.get("k1"), "v");
    await commit.close();
    await other.close();
  });
}

Deno.test("GroupCommit.wait() rejects when a file can't be opened, and succeeds later", async () => {
  using store = new TempStore();
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  const ticket = append(store, "k", "v");
  // For instance where the process has too many files open: nothing is lost.
  for (const name of ["1.log", store.directory]) {
    watch(disk, ({ call, path }) => {
      if (call === "openSync" && path.endsWith(name)) {
        throw new InjectedFault(name);
      }
    });
    await assertRejects(() => commit.wait(ticket), InjectedFault);
    assertEquals(store.log.commit.isSynced(ticket), false);
  }
  disk.heal();
  assertEquals(store.log.refusal.isSet, false);
  await commit.wait(ticket);
  assertEquals(afterPowerFailure(disk), new Map([["k", "v"]]));
  await commit.close();
});

Deno.test("GroupCommit.close() lets a sync finish that is under way", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const commit = store.otherLog().commit;
  for (const key of ["k", "fills", "the next"]) {
    append(store, key, "x".repeat(4_000));
  }
  let closed: Promise<void> | undefined;
  watch(disk, ({ call }) => {
    if (call === "syncData") closed ??= commit.close();
  });
  await commit.wait(store.writer.ticket);
  await closed;
  assertEquals(afterPowerFailure(disk), store.entries());
  assertEquals(store.log.refusal.isSet, false);
});

Deno.test("GroupCommit.wait() believes no other sync while the one that leads may fail", async () => {
  using store = new TempStore({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(store.directory);
  const [leader, other] = [1, 2].map(() => store.otherLog().commit);
  for (const value of ["1", "2"]) append(store, "k", value);
  const ticket = append(store, "last", "v");
  watch(disk, ({ call }) => {
    if (call !== "syncData") return;
    disk.heal();
    // The kernel has told the leader's call of the error, and tells no other.
    store.compact();
    throw new InjectedFault();
  });
  const waits = [leader.wait(ticket), other.wait(ticket)];
  for (const { status } of await Promise.allSettled(waits)) {
    assertEquals(status, "rejected");
  }
  assertEquals(store.log.commit.isSynced(ticket), false);
  await leader.close();
  await other.close();
});
