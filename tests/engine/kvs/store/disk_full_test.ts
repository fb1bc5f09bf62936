import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  listSegments,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import type { KvStore } from "../../../../engine/kvs/store/store.ts";
import { type SmallDisk, testOnSmallDisk } from "../../_small_disk.ts";
import { bytes, filesOf, openStore } from "../_helpers.ts";

const DISK_BYTES = 2 ** 20;
const OPTIONS = { segmentBytes: 2 ** 16 };

function test(name: string, body: (disk: SmallDisk) => Promise<void>): void {
  testOnSmallDisk(name, DISK_BYTES, body);
}

/** Writes until the disk is full; returns what was acknowledged. */
async function writeUntilFull(
  store: KvStore,
  prefix: string,
  sizeBytes = 3_000,
): Promise<Map<string, string>> {
  const written = new Map<string, string>();
  for (let n = 0; n < 10_000; n++) {
    const [key, value] = [`${prefix} ${n}`, `${n} `.repeat(sizeBytes / 4)];
    const [outcome] = store.write([{ key: bytes(key), value: bytes(value) }]);
    if (outcome instanceof Error) {
      assert(
        outcome.message.includes("No space left on device"),
        outcome.message,
      );
      return written;
    }
    await store.sync();
    written.set(key, value);
  }
  throw new Error("The disk never got full");
}

function assertHolds(store: KvStore, expected: Map<string, string>): void {
  for (const [key, value] of expected) assertEquals(store.get(key), value, key);
  assertEquals(store.size, expected.size);
}

test("KvStore fails writes on a full disk, serves reads, and goes on when there is space", async (disk) => {
  const store = openStore(disk.directory, OPTIONS);
  disk.fillUp(300_000);
  const written = await writeUntilFull(store, "first");
  assert(written.size > 50);
  assertHolds(store, written);
  // Each further write fails for itself and changes nothing.
  for (const count of [1, 5, 40]) {
    const outcomes = store.write(
      Array.from({ length: count }, (_, n) => ({
        key: bytes(`more ${n}`),
        value: bytes("x".repeat(9_000)),
      })),
    );
    for (const outcome of outcomes) assert(outcome instanceof Error);
    assertHolds(store, written);
  }
  disk.empty();
  await store.set("after", "there is space again");
  written.set("after", "there is space again");
  for (const [key, value] of await writeUntilFull(store, "second")) {
    written.set(key, value);
  }
  assertHolds(store, written);
  await store.close();
  // The helper fails on any damage that is reported.
  const again = openStore(disk.directory, OPTIONS);
  assertHolds(again, written);
  await again.close();
});

test("KvStore stays whole when compaction finds no space, and compacts when there is some", async (disk) => {
  const store = openStore(disk.directory, OPTIONS);
  const written = new Map<string, string>();
  // In each segment a little is dead and the most is live.
  for (let n = 0; n < 100; n++) {
    await store.set(`k${n}`, `${n}`.repeat(1_500));
    written.set(`k${n}`, `${n}`.repeat(1_500));
  }
  for (let n = 0; n < 100; n += 15) {
    await store.set(`k${n}`, "new");
    written.set(`k${n}`, "new");
  }
  for (const left of [0, 4_096, 20_000, 50_000]) {
    disk.fillUp(left);
    await assertRejects(
      () => store.compact(),
      Error,
      "No space left on device",
    );
    assertHolds(store, written);
    disk.empty();
  }
  assertEquals(filesOf(disk.directory, ".tmp"), []);
  // Nor does a segment stay in which there was no room for anything; one may
  // have been made to be appended to.
  const empty = listSegments(disk.directory).filter((id) =>
    Deno.statSync(segmentPath(disk.directory, id)).size <= 16
  );
  assert(empty.length <= 1, `segments ${empty} are empty`);
  await store.set("k1", "also new");
  written.set("k1", "also new");
  await store.close();
  const again = openStore(disk.directory, OPTIONS);
  assertHolds(again, written);
  const { bytesBefore, bytesAfter } = await again.compact();
  assert(bytesAfter < bytesBefore);
  assertHolds(again, written);
  await again.close();
  const last = openStore(disk.directory, OPTIONS);
  assertHolds(last, written);
  await last.close();
});

test("KvStore gets space back from a disk that it has filled with dead records", async (disk) => {
  const store = openStore(disk.directory, OPTIONS);
  let count = 0;
  for (let failed = false; !failed; count++) {
    const [outcome] = store.write([
      { key: bytes(`k${count % 3}`), value: bytes("x".repeat(3_000)) },
    ]);
    failed = outcome instanceof Error;
  }
  assert(count > 200);
  // There is no space for a new segment, but most of them hold nothing live and
  // can go without a copy.
  disk.fillUp(0);
  await store.compact();
  await store.set("k0", "new");
  const sizes = listSegments(disk.directory).map((id) =>
    Deno.statSync(segmentPath(disk.directory, id)).size
  );
  assert(sizes.reduce((sum, size) => sum + size) < DISK_BYTES / 4);
  assertEquals(store.get("k0"), "new");
  assertEquals(store.get("k1")?.length, 3_000);
  await store.close();
});

test("KvStore opens and closes on a full disk", async (disk) => {
  const store = openStore(disk.directory, OPTIONS);
  const written = await writeUntilFull(store, "k");
  disk.fillUp(0);
  await store.close();
  const again = openStore(disk.directory, OPTIONS);
  assertHolds(again, written);
  await again.close();
});
