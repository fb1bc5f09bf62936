import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import { GroupCommit } from "../../../../engine/kvs/log/group_commit.ts";
import { WritesRefusedError } from "../../../../engine/errors.ts";
import {
  FaultyDisk,
  type FileStep,
  InjectedFault,
} from "../_fault_injection.ts";
import { TempDirectory } from "../_helpers.ts";
import { type KeyValue, TempLog, TestLog } from "../_test_log.ts";

/** Calls `note` before each step and lets it happen. */
function watch(disk: FaultyDisk, note: (step: FileStep) => void): void {
  disk.onStep = note;
}

/** Appends one write and returns its ticket. */
function append(log: TestLog, ...write: KeyValue): number {
  assertEquals(log.write(write), [true]);
  return log.writer.ticket;
}

/** What a power failure at this moment would leave. */
function afterPowerFailure(disk: FaultyDisk): Map<string, string> {
  using copy = new TempDirectory();
  disk.copy("power", copy.path);
  using log = new TestLog(copy.path);
  return log.entries();
}

Deno.test("GroupCommit.wait() resolves once the append is on disk", async () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  const ticket = append(log, "k", "v");
  assertEquals(log.control.isSynced(ticket), false);
  assertEquals(afterPowerFailure(disk), new Map());
  await commit.wait(ticket);
  assertEquals(log.control.isSynced(ticket), true);
  // With the name of the new segment.
  assertEquals(afterPowerFailure(disk), new Map([["k", "v"]]));
  await commit.close();
});

Deno.test("GroupCommit.wait() syncs once for all that wait", async () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  const commits = [1, 2, 3].map(() =>
    new GroupCommit(log.directory, log.control)
  );
  let syncs = 0;
  watch(disk, ({ call }) => {
    if (call === "syncData") syncs++;
  });
  const waits: Promise<void>[] = [];
  for (let n = 0; n < 30; n++) {
    waits.push(commits[n % 3].wait(append(log, `k${n}`, "v")));
  }
  await Promise.all(waits);
  assertEquals(syncs, 1);
  assertEquals(afterPowerFailure(disk).size, 30);
  await commits[2].wait(append(log, "more", "v"));
  assertEquals(syncs, 2);
  // What is durable already costs no sync.
  await commits[0].wait(log.control.appendedTicket);
  assertEquals(syncs, 2);
  await Promise.all(commits.map((commit) => commit.close()));
});

Deno.test("GroupCommit.wait() leaves an append that came during a sync to the next", async () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  const other = new GroupCommit(log.directory, log.control);
  let late: Promise<void> | undefined;
  let syncs = 0;
  watch(disk, ({ call }) => {
    if (call !== "syncData" || ++syncs > 1) return;
    // The leader has noted what it syncs; this may not be in it.
    late = other.wait(append(log, "late", "v"));
  });
  await commit.wait(append(log, "k", "v"));
  await late;
  assertEquals(syncs, 2);
  assertEquals(afterPowerFailure(disk).size, 2);
  await commit.close();
  await other.close();
});

Deno.test("GroupCommit.wait() syncs the segments that were sealed since", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  for (let round = 1; round <= 3; round++) {
    for (let n = 0; n < 20; n++) append(log, `k${n}`, "v".repeat(round * 300));
    await commit.wait(log.writer.ticket);
    assertEquals(afterPowerFailure(disk), log.entries());
  }
  await commit.close();
});

Deno.test("GroupCommit.wait() notices a segment that is sealed as it begins", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  const ticket = append(log, "k", "v");
  const waiting = commit.wait(ticket);
  // The leader reads the newest ticket only in the next turn.
  append(log, "fills", "x".repeat(4_000));
  append(log, "the next", "x");
  await waiting;
  assertEquals(afterPowerFailure(disk).get("k"), "v");
  assertEquals(afterPowerFailure(disk).size, 3);
  await commit.close();
});

Deno.test("GroupCommit.wait() does without a segment that was compacted away", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  const ticket = append(log, "k", "v");
  append(log, "k2", "v");
  const [first] = log.ids;
  watch(disk, ({ call, path }) => {
    if (call !== "openSync" || !path.endsWith(`/${first}.log`)) return;
    // Between the look at what is active and the opening of its file.
    disk.heal();
    append(log, "k2", "v2");
    append(log, "fills", "x".repeat(4_000));
    log.compact();
  });
  await commit.wait(ticket);
  assert(!log.ids.includes(first));
  assertEquals(log.control.refusesWrites, false);
  assertEquals(afterPowerFailure(disk).get("k"), "v");
  await commit.wait(append(log, "more", "v"));
  assertEquals(afterPowerFailure(disk), log.entries());
  await commit.close();
});

for (const call of ["syncData", "syncSync"] as const) {
  Deno.test(`GroupCommit.wait() rejects all that wait when ${call}() fails, and writes are refused`, async () => {
    using log = new TempLog();
    using disk = new FaultyDisk(log.directory);
    const commit = new GroupCommit(log.directory, log.control);
    const other = new GroupCommit(log.directory, log.control);
    const waits: Promise<void>[] = [];
    for (let n = 0; n < 10; n++) {
      const waiter = n % 2 === 0 ? commit : other;
      waits.push(waiter.wait(append(log, `k${n}`, "v")));
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
      () => other.wait(log.writer.ticket),
      WritesRefusedError,
      "Writes are disabled until the store is opened again: sync of ",
    );
    assertEquals(steps, 0);
    assertInstanceOf(log.write(["k", "v"])[0], WritesRefusedError);
    assertEquals(log.get("k1"), "v");
    await commit.close();
    await other.close();
  });
}

Deno.test("GroupCommit.wait() rejects when a file can't be opened, and succeeds later", async () => {
  using log = new TempLog();
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  const ticket = append(log, "k", "v");
  // For instance where the process has too many files open: nothing is lost.
  for (const name of ["1.log", log.directory]) {
    watch(disk, ({ call, path }) => {
      if (call === "openSync" && path.endsWith(name)) {
        throw new InjectedFault(name);
      }
    });
    await assertRejects(() => commit.wait(ticket), InjectedFault);
    assertEquals(log.control.isSynced(ticket), false);
  }
  disk.heal();
  assertEquals(log.control.refusesWrites, false);
  await commit.wait(ticket);
  assertEquals(afterPowerFailure(disk), new Map([["k", "v"]]));
  await commit.close();
});

Deno.test("GroupCommit.close() lets a sync finish that is under way", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  const commit = new GroupCommit(log.directory, log.control);
  for (const key of ["k", "fills", "the next"]) {
    append(log, key, "x".repeat(4_000));
  }
  let closed: Promise<void> | undefined;
  watch(disk, ({ call }) => {
    if (call === "syncData") closed ??= commit.close();
  });
  await commit.wait(log.writer.ticket);
  await closed;
  assertEquals(afterPowerFailure(disk), log.entries());
  assertEquals(log.control.refusesWrites, false);
});

Deno.test("GroupCommit.wait() believes no other sync while the one that leads may fail", async () => {
  using log = new TempLog({ segmentBytes: 4_096 });
  using disk = new FaultyDisk(log.directory);
  const [leader, other] = [1, 2].map(() =>
    new GroupCommit(log.directory, log.control)
  );
  for (const value of ["1", "2"]) append(log, "k", value);
  const ticket = append(log, "last", "v");
  watch(disk, ({ call }) => {
    if (call !== "syncData") return;
    disk.heal();
    // The kernel has told the leader's call of the error, and tells no other.
    log.compact();
    throw new InjectedFault();
  });
  const waits = [leader.wait(ticket), other.wait(ticket)];
  for (const { status } of await Promise.allSettled(waits)) {
    assertEquals(status, "rejected");
  }
  assertEquals(log.control.isSynced(ticket), false);
  await leader.close();
  await other.close();
});
