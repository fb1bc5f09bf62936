import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { DEADLINE_MS, until } from "../../../_deadline.ts";
import type { SyncMode } from "../../../../engine/engine.ts";
import {
  CorruptionError,
  IndexFullError,
  WritesRefusedError,
} from "../../../../engine/errors.ts";
import { READER_SLOTS } from "../../../../engine/kvs/index/epochs.ts";
import {
  type Damage,
  listSegments,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import { KvStore } from "../../../../engine/kvs/store/store.ts";
import { FaultyDisk, InjectedFault } from "../_fault_injection.ts";
import { runStoreCommands } from "../_store_commands.ts";
import {
  bytes,
  failingWorker,
  filesOf,
  openStore,
  TempDirectory,
} from "../_helpers.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];

Deno.test("KvStore keeps what was set, for text of every kind", async () => {
  using directory = new TempDirectory();
  const entries = [
    ["k", "v"],
    ["", "empty key"],
    ["empty value", ""],
    ["Schlüssel", "Wert: äöü"],
    ["🗝️", "🎁".repeat(10_000)],
    ["nul\0l", "\0"],
    ["long ".repeat(5_000), "x"],
  ];
  for (const opening of [1, 2]) {
    const store = openStore(directory.path);
    for (const [key, value] of entries) {
      if (opening === 1) await store.set(key, value);
      assertEquals(store.get(key), value);
    }
    assertEquals(store.size, entries.length);
    assertEquals(store.get("missing"), undefined);
    await store.close();
  }
});

Deno.test("KvStore.remove() says whether the key was there", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  await store.set("k", "v");
  assertEquals(await store.remove("k"), true);
  assertEquals(await store.remove("k"), false);
  assertEquals(store.get("k"), undefined);
  assertEquals(store.size, 0);
  await store.close();
});

Deno.test("KvStore.getBytes() returns bytes that are the caller's own", async () => {
  using directory = new TempDirectory();
  for (const cacheBytes of [0, 4_096, 2 ** 20]) {
    const store = openStore(directory.path, { cacheBytes });
    const key = Uint8Array.of(0, 255, 128);
    const value = Uint8Array.from({ length: 5_000 }, (_, i) => i);
    store.write([{ key, value }]);
    const first = store.getBytes(key)!;
    assertEquals(first, value);
    first.fill(0);
    assertEquals(store.getBytes(key), value);
    await store.close();
  }
});

Deno.test("KvStore.set() returns no promise where nothing is waited for", async () => {
  using directory = new TempDirectory();
  for (const sync of SYNC_MODES) {
    const store = openStore(directory.path, { sync });
    const set = store.set("k", "v");
    assertEquals(set instanceof Promise, sync === "always");
    await set;
    const removed = store.remove("k");
    assertEquals(removed instanceof Promise, sync === "always");
    assertEquals(await removed, true);
    // There is nothing to sync.
    assertEquals(store.sync(), undefined);
    await store.close();
  }
});

Deno.test("KvStore.set() is durable as the sync mode promises", async () => {
  for (const sync of SYNC_MODES) {
    using directory = new TempDirectory();
    using disk = new FaultyDisk(directory.path);
    const store = openStore(directory.path, { sync });
    const found = async () => {
      using copy = new TempDirectory();
      disk.copy("power", copy.path);
      const again = openStore(copy.path);
      const value = again.get("k");
      await again.close();
      return value;
    };
    await store.set("k", "v");
    assertEquals(await found(), sync === "always" ? "v" : undefined);
    if (sync === "everysec") {
      await until(
        "the sync of the second",
        async () => await found() === "v",
      );
    }
    await store.set("k", "w");
    await store.close();
    assertEquals(await found(), "w");
  }
});

Deno.test("KvStore.write() applies a batch in order and tells what became of each", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const key = bytes("k");
  assertEquals(
    store.write([
      { key, value: undefined },
      { key, value: bytes("1") },
      { key, value: bytes("2") },
      { key: bytes("other"), value: bytes("3") },
      { key: bytes("other"), value: undefined },
    ]),
    [false, true, true, true, true],
  );
  assertEquals(store.get("k"), "2");
  assertEquals(store.get("other"), undefined);
  await store.sync();
  await store.close();
});

Deno.test("KvStore.write() takes text and bytes in one batch", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const long = "€".repeat(5_000);
  assertEquals(
    store.write([
      { key: "Schlüssel", value: "Wert" },
      { key: bytes("Schlüssel"), value: bytes("another") },
      { key: "Schlüssel", value: "the last" },
      { key: "removed", value: "x" },
      { key: "removed", value: undefined },
      { key: "removed", value: undefined },
      { key: "empty", value: "" },
      { key: long, value: "of a long key" },
      { key: "", value: long },
    ]),
    [true, true, true, true, true, false, true, true, true],
  );
  await store.close();
  await using reopened = openStore(directory.path);
  assertEquals(reopened.size, 4);
  assertEquals(reopened.getBytes(bytes("Schlüssel")), bytes("the last"));
  assertEquals(reopened.get("removed"), undefined);
  assertEquals(reopened.get("empty"), "");
  assertEquals(reopened.get(long), "of a long key");
  assertEquals(reopened.get(""), long);
});

Deno.test("KvStore.attach() sees every change at once, and changes what others see", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const clones = [1, 2, 3].map(() => KvStore.attach(store.share()));
  for (const [i, clone] of clones.entries()) {
    await clone.set(`k${i}`, `v${i}`);
    for (const other of [store, ...clones]) {
      assertEquals(other.get(`k${i}`), `v${i}`);
      assertEquals(other.size, i + 1);
    }
  }
  await store.remove("k1");
  assertEquals(clones[2].get("k1"), undefined);
  for (const clone of clones) await clone.close();
  assertEquals(store.get("k2"), "v2");
  await store.close();
});

Deno.test("KvStore.getBytes() finds a record that compaction moves under its hands", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, {
    segmentBytes: 4_096,
    cacheBytes: 0,
    sync: "no",
  });
  const reader = KvStore.attach(store.share());
  for (const key of ["a", "b", "c", "d", "e", "f"]) {
    store.set(key, key.repeat(900));
  }
  store.set("a", "new");
  const [first] = listSegments(directory.path);
  // Between the look-up and the opening of the file the segment goes.
  const { openSync } = Deno;
  let moved = 0;
  Deno.openSync = (path, options) => {
    if (String(path).endsWith(`/${first}.log`)) {
      moved++;
      Deno.openSync = openSync;
      Deno.renameSync(path, `${path}.moved`);
      try {
        return openSync(path, options);
      } finally {
        Deno.renameSync(`${path}.moved`, path);
      }
    }
    return openSync(path, options);
  };
  try {
    assertEquals(reader.get("b"), "b".repeat(900));
  } finally {
    Deno.openSync = openSync;
  }
  assertEquals(moved, 1);
  await store.compact();
  assertEquals(listSegments(directory.path).includes(first), false);
  assertEquals(reader.get("b"), "b".repeat(900));
  // A segment that is gone for good is an error, not an endless search.
  for (const id of listSegments(directory.path)) {
    Deno.removeSync(segmentPath(directory.path, id));
  }
  const late = KvStore.attach(store.share());
  assertThrows(() => late.get("b"), CorruptionError, "segment is missing");
  // One that has the file open still reads it.
  assertEquals(reader.get("b"), "b".repeat(900));
  await late.close();
  await reader.close();
  await store.close().catch(() => {});
});

Deno.test("KvStore.get() never keeps what an append that fails leaves for a moment", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, { sync: "no" });
  const reader = KvStore.attach(store.share());
  await store.set("a", "1");
  const { writeSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.writeSync = function (bytes) {
    const count = writeSync.call(this, bytes);
    // The record is in the file, whole and sound.
    assertEquals(reader.get("a"), "1");
    throw new Error(`Disk failed behind ${count} bytes`);
  };
  try {
    assertThrows(() => store.set("b", "lost"), Error, "Disk failed behind");
  } finally {
    Deno.FsFile.prototype.writeSync = writeSync;
  }
  assertEquals(reader.get("b"), undefined);
  // As long, and so in the same place.
  await store.set("b", "kept");
  assertEquals(reader.get("b"), "kept");
  await reader.close();
  await store.close();
});

Deno.test("KvStore.write() denies a full index to new keys and to nothing else", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, { indexBytes: 2 ** 18, sync: "no" });
  let count = 0;
  const failure = assertThrows(() => {
    for (;; count++) store.set(`key ${count}`, "v");
  }, IndexFullError);
  assertEquals(
    failure.message,
    "Index is full at 262144 bytes; remove keys, or open the store with a larger index (--index-size)",
  );
  assert(count > 2_000);
  // One with a lower tower than the last may find room; not all of them.
  const late = Array.from({ length: 200 }, (_, n) => `late ${n}`);
  const [overwritten, removed, ...added] = store.write([
    { key: bytes("key 1"), value: bytes("w") },
    { key: bytes("key 2"), value: undefined },
    ...late.map((key) => ({ key: bytes(key), value: bytes("x") })),
  ]);
  assertEquals([overwritten, removed], [true, true]);
  assertEquals(store.get("key 1"), "w");
  const denied = late.filter((_, n) => added[n] instanceof IndexFullError);
  assert(denied.length > 0);
  for (const key of late) {
    const isDenied = denied.includes(key);
    assertEquals(store.get(key), isDenied ? undefined : "x", key);
    if (!isDenied) await store.remove(key);
  }
  for (let n = 0; n < count; n++) {
    if (n !== 2) store.set(`key ${n}`, "again");
  }
  await store.compact();
  for (let n = 0; n < 1_000; n++) await store.remove(`key ${n}`);
  // Fewer than were removed: each hash table has its share of room then, and
  // none has to grow. A tower as high as none that was removed may not fit.
  const fresh = Array.from({ length: 500 }, (_, n) => `new ${n}`);
  const outcomes = store.write(
    fresh.map((key) => ({ key: bytes(key), value: bytes("y") })),
  );
  const kept = fresh.filter((_, n) => outcomes[n] === true);
  assert(kept.length > 450, `${kept.length} kept`);
  assertEquals(store.size, count - 1_000 + kept.length);
  await store.close();
  const again = openStore(directory.path, { indexBytes: 2 ** 18 });
  assertEquals(again.size, count - 1_000 + kept.length);
  for (const key of kept) assertEquals(again.get(key), "y");
  await again.close();
});

Deno.test("KvStore.open() reports damage and goes on", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  await store.set("a", "1");
  await store.set("b", "2");
  await store.close();
  const [id] = listSegments(directory.path);
  const path = segmentPath(directory.path, id);
  const content = Deno.readFileSync(path);
  content[16 + 21] ^= 1;
  Deno.writeFileSync(path, content);
  const damage: Damage[] = [];
  const again = openStore(directory.path, { onDamage: (d) => damage.push(d) });
  assertEquals(damage, [{
    path,
    offset: 16,
    length: 22,
    reason: "record does not match its checksum",
  }]);
  assertThrows(
    () => again.get("a"),
    CorruptionError,
    `Corrupt data in ${path} at offset 16: record does not match its checksum`,
  );
  assertEquals(again.get("b"), "2");
  await again.close();
});

Deno.test("KvStore.open() refuses a directory that is open, and bad options", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  assertThrows(
    () => openStore(directory.path),
    Error,
    `Cannot open data directory "${directory.path}": locked by process ${Deno.pid}`,
  );
  await store.close();
  for (const segmentBytes of [0, 4_095, 2 ** 30 + 1, NaN]) {
    assertThrows(
      () => openStore(directory.path, { segmentBytes }),
      RangeError,
      `Option segmentBytes must be a whole number of bytes from 4096 to 1073741824, found ${segmentBytes}`,
    );
  }
  assertThrows(
    () => openStore(directory.path, { indexBytes: 1_000 }),
    RangeError,
    "Option indexBytes must be a whole number of bytes from 262144 to 17179869184, found 1000",
  );
  // None of them has kept the directory locked.
  await openStore(directory.path).close();
});

Deno.test("KvStore.close() may be called twice, and frees nothing that is another's", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const first = KvStore.attach(store.share());
  await first.close();
  const second = KvStore.attach(store.share());
  await first.close();
  // The place that the first had among the readers is the second's now.
  const others = Array.from(
    { length: READER_SLOTS - 2 },
    () => KvStore.attach(store.share()),
  );
  assertThrows(() => KvStore.attach(store.share()), Error, "1024 readers");
  for (const other of others) await other.close();
  await second.close();
  await Promise.all([store.close(), store.close()]);
  await openStore(directory.path).close();
});

Deno.test("KvStore.close() writes a snapshot where that pays", async () => {
  using directory = new TempDirectory();
  const small = openStore(directory.path);
  await small.set("k", "v");
  await small.close();
  assertEquals(filesOf(directory.path, "INDEX"), []);
  const large = openStore(directory.path, { sync: "no" });
  for (let n = 0; n < 300; n++) large.set(`k${n}`, "x".repeat(5_000));
  await large.close();
  assertEquals(filesOf(directory.path, "INDEX"), ["INDEX"]);
  const again = openStore(directory.path);
  assertEquals(again.size, 301);
  for (let n = 0; n < 300; n++) assertEquals(again.get(`k${n}`)?.length, 5_000);
  await again.close();
});

Deno.test("KvStore.close() does without a snapshot that can't be written", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, { sync: "no" });
  for (let n = 0; n < 300; n++) store.set(`k${n}`, "x".repeat(5_000));
  await store.sync();
  const { error } = console;
  const messages: unknown[] = [];
  console.error = (message) => messages.push(message);
  try {
    using disk = new FaultyDisk(directory.path);
    disk.halfWrites = true;
    disk.onStep = ({ call, path }) => {
      if (call === "writeSync" && path.endsWith("INDEX.tmp")) {
        throw new InjectedFault("No space left on device");
      }
    };
    await store.close();
  } finally {
    console.error = error;
  }
  assertEquals(messages.length, 1);
  // What there is of it does not take the space that there is too little of.
  assertEquals(filesOf(directory.path, ".tmp"), []);
  const again = openStore(directory.path);
  assertEquals(again.size, 300);
  await again.close();
});

Deno.test("KvStore compacts by itself once there is enough to give back", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path, {
    sync: "no",
    segmentBytes: 4_096,
    compactAtBytes: 20_000,
  });
  for (let n = 0; n < 200; n++) store.set(`k${n % 5}`, "x".repeat(500));
  const sizeOf = (id: number) => {
    try {
      return Deno.statSync(segmentPath(directory.path, id)).size;
    } catch (error) {
      // Compacted since it was listed.
      if (error instanceof Deno.errors.NotFound) return 0;
      throw error;
    }
  };
  const size = () =>
    listSegments(directory.path).map(sizeOf).reduce((a, b) => a + b, 0);
  assert(size() > 100_000);
  await until("20,000 bytes at most", () => size() <= 20_000);
  for (let n = 0; n < 5; n++) assertEquals(store.get(`k${n}`)?.length, 500);
  await store.close();
});

Deno.test("KvStore tells of a compaction in the background that failed", async () => {
  using directory = new TempDirectory();
  const failures: string[] = [];
  const store = openStore(directory.path, {
    segmentBytes: 4096,
    compactAtBytes: 1,
    sync: "no",
    onFailure: ({ message }) => failures.push(message),
  });
  for (let i = 0; i < 20; i++) await store.set("k", "v".repeat(1_000));
  const { Worker } = globalThis;
  globalThis.Worker = failingWorker("Out of luck");
  try {
    await until("a compaction that fails", () => failures.length > 0);
  } finally {
    globalThis.Worker = Worker;
  }
  assertEquals(failures.length, 1);
  assert(failures[0].startsWith("Compaction failed: "), failures[0]);
  await store.close();
});

Deno.test("KvStore refuses writes after a failed fdatasync, and serves reads", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  await store.set("k", "durable");
  const clone = KvStore.attach(store.share());
  const { syncData } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.syncData = () =>
    Promise.reject(new InjectedFault("Input/output error"));
  const writes = [store, clone].flatMap((instance) =>
    [1, 2, 3].map((n) => Promise.resolve(instance.set(`lost ${n}`, "v")))
  );
  let results;
  try {
    results = await Promise.allSettled(writes);
  } finally {
    Deno.FsFile.prototype.syncData = syncData;
  }
  for (const result of results) {
    assert(result.status === "rejected");
    assert(
      result.reason instanceof InjectedFault ||
        result.reason instanceof WritesRefusedError,
    );
  }
  for (const instance of [store, clone]) {
    assertThrows(() => instance.set("k", "v"), WritesRefusedError);
    assertThrows(() => instance.remove("k"), WritesRefusedError);
    assertInstanceOf(
      instance.write([{ key: bytes("k"), value: bytes("v") }])[0],
      WritesRefusedError,
    );
    assertEquals(instance.get("k"), "durable");
  }
  await assertRejects(() => store.compact(), Error, "Writes are disabled");
  await clone.close();
  await store.close();
  const again = openStore(directory.path);
  assertEquals(again.get("k"), "durable");
  await again.set("k", "again");
  await again.close();
});

Deno.test("KvStore tells once that a sync has failed, and in its stats until it is opened again", async () => {
  using directory = new TempDirectory();
  const failures: string[] = [];
  const store = openStore(directory.path, {
    onFailure: ({ message }) => failures.push(message),
  });
  const clone = KvStore.attach(store.share());
  assertEquals(store.stats().writesRefused, undefined);
  const { syncData } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.syncData = () =>
    Promise.reject(new InjectedFault("Input/output error"));
  try {
    // In another instance than the one that is to tell.
    await assertRejects(async () => await clone.set("k", "v"), InjectedFault);
  } finally {
    Deno.FsFile.prototype.syncData = syncData;
  }
  const path = segmentPath(directory.path, 1);
  const reason = `sync of "${path}" failed: Input/output error`;
  for (const instance of [store, clone]) {
    assertEquals(instance.stats().writesRefused, reason);
  }
  await until("the failure to be told", () => failures.length > 0);
  // Nor is it told at the next look, a second later.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assertEquals(failures, [
    `Writes are disabled until the store is opened again: ${reason}`,
  ]);
  assertEquals(store.stats().writesRefused, reason);
  await clone.close();
  await store.close();
  await using again = openStore(directory.path);
  assertEquals(again.stats().writesRefused, undefined);
});

/** Lets all clocks of this thread be ahead until it is disposed of. */
class FastClock implements Disposable {
  readonly #now = performance.now;
  #aheadMs = 0;

  constructor() {
    performance.now = () => this.#now.call(performance) + this.#aheadMs;
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }

  [Symbol.dispose](): void {
    performance.now = this.#now;
  }
}

for (const attached of [false, true]) {
  const whose = attached ? "an attached instance" : "the instance itself";
  Deno.test(`KvStore syncs once a second below a writer that never waits, ${whose}`, async () => {
    using directory = new TempDirectory();
    using clock = new FastClock();
    const store = openStore(directory.path, { sync: "everysec" });
    const writer = attached ? KvStore.attach(store.share()) : store;
    const disk = new FaultyDisk(directory.path);
    let syncs = 0;
    disk.onStep = ({ call }) => {
      if (call === "syncDataSync") syncs++;
    };
    for (let second = 0; second < 5; second++) {
      assertEquals(syncs, second);
      for (let n = 0; n < 3; n++) {
        // It resolves in the same turn of the event loop: no timer fires.
        await writer.set(`${second} ${n}`, "v");
      }
      clock.advance(1_300);
      await writer.set("last of the second", `${second}`);
    }
    using left = new TempDirectory();
    disk.copy("power", left.path);
    disk[Symbol.dispose]();
    if (attached) await writer.close();
    await store.close();
    await using again = openStore(left.path);
    assertEquals(again.get("last of the second"), "4");
  });
}

Deno.test("KvStore refuses a write whose second could not be synced", async () => {
  using directory = new TempDirectory();
  using clock = new FastClock();
  const store = openStore(directory.path, {
    sync: "everysec",
    onFailure: () => {},
  });
  await store.set("k", "v");
  {
    using disk = new FaultyDisk(directory.path);
    disk.failAll("syncDataSync");
    clock.advance(1_300);
    assertThrows(() => store.set("k", "w"), InjectedFault);
    disk.heal();
    assertThrows(() => store.set("k", "x"), WritesRefusedError);
  }
  await store.close();
});

Deno.test("KvStore compacts by itself below a writer that never waits", async () => {
  using directory = new TempDirectory();
  await using store = openStore(directory.path, {
    sync: "no",
    segmentBytes: 2 ** 16,
    compactAtBytes: 2 ** 16,
  });
  const value = "v".repeat(10_000);
  const endMs = performance.now() + DEADLINE_MS;
  let before = 0;
  for (let n = 0;; n++) {
    await store.set(`k${n % 7}`, value);
    const { segments = 0 } = store.stats();
    // No timer has fired, and a segment has gone.
    if (segments < before) break;
    before = segments;
    if (n % 100 === 0) {
      assert(performance.now() < endMs, "Waited for a segment to go");
    }
    if (n > 1_000) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
});

// The torture tests run more of them.
Deno.test("KvStore agrees with a Map under any commands", () =>
  runStoreCommands(15));

Deno.test("KvStore.stats() tells live bytes from dead ones", async () => {
  using directory = new TempDirectory();
  const store = openStore(directory.path);
  const value = "v".repeat(1_000);
  await store.set("a", value);
  await store.set("b", value);
  const { diskBytes: before, indexUsedBytes: emptier = 0 } = store.stats();
  await store.set("a", value);
  await store.remove("b");
  await store.set("c", value);
  const stats = store.stats();
  const { engine, sync, keys, segments, diskBytes, deadBytes } = stats;
  assertEquals([engine, sync, keys], ["kvs", "always", 2]);
  const files = listSegments(directory.path);
  assertEquals(segments, files.length);
  const sizes = files.map((id) =>
    Deno.statSync(segmentPath(directory.path, id)).size
  );
  assertEquals(diskBytes, sizes.reduce((sum, size) => sum + size, 0));
  assert(diskBytes > before + 2_000);
  // Two overwritten or removed, and a tombstone.
  assert(deadBytes! > 2_000 && deadBytes! < 2_200, `${deadBytes} dead`);
  assertEquals(stats.liveBytes! + deadBytes!, diskBytes);
  assert(stats.indexUsedBytes! > emptier - 200);
  assert(stats.indexUsedBytes! < stats.indexLimitBytes!);
  const clone = KvStore.attach(store.share());
  assertEquals(clone.stats(), stats);
  await clone.close();
  await store.compact();
  const compacted = store.stats();
  assertEquals(compacted.keys, 2);
  assert(compacted.deadBytes! < 100, `${compacted.deadBytes} dead`);
  await store.close();
});
