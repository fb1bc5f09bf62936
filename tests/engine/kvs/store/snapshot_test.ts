import { assert, assertEquals, assertRejects } from "@std/assert";
import { until } from "../../../_deadline.ts";
import { Log } from "../../../../engine/kvs/log/log.ts";
import { HeldSegments } from "../../../../engine/kvs/log/held_segments.ts";
import { emptyPointer } from "../../../../engine/kvs/index/log_pointer.ts";
import { RecordCache } from "../../../../engine/kvs/store/record_cache.ts";
import { loadLog } from "../../../../engine/kvs/store/recovery.ts";
import { scanIndex } from "../../../../engine/kvs/store/pages.ts";
import { segmentPath } from "../../../../engine/kvs/log/segment.ts";
import { StoreSnapshot } from "../../../../engine/kvs/store/snapshot.ts";
import type { ScanPage } from "../../../../engine/engine.ts";
import { bytes, failingWorker, text } from "../_helpers.ts";
import { TempStore, type TestStore } from "../_test_store.ts";

const SMALL = { segmentBytes: 4_096, indexBytes: 2 ** 18 };

const WHOLE = { limit: Infinity, maxBytes: Infinity };

/** A log of several segments, of which compaction takes most. */
function severalSegments(): TempStore {
  const store = new TempStore(SMALL);
  for (let i = 0; i < 60; i++) store.write([`key${i}`, "v".repeat(200)]);
  for (let i = 0; i < 60; i += 3) store.write([`key${i}`]);
  return store;
}

function mapOf({ entries, more }: ScanPage): Map<string, string> {
  assertEquals(more, false);
  return new Map(entries.map(({ key, value }) => [text(key), text(value!)]));
}

async function entriesOf(
  snapshot: StoreSnapshot,
): Promise<Map<string, string>> {
  return mapOf(await snapshot.scan(WHOLE));
}

/** Has another kind of Worker started until it is disposed of. */
function replaceWorker(
  replace: (original: typeof Worker) => typeof Worker,
): Disposable {
  const { Worker } = globalThis;
  globalThis.Worker = replace(Worker);
  return { [Symbol.dispose]: () => void (globalThis.Worker = Worker) };
}

/** Files of the log that this process has open though they are removed. */
function removedAndOpen(store: TestStore): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      const path = Deno.readLinkSync(`/proc/self/fd/${name}`);
      const isOurs = path.startsWith(store.directory);
      return isOurs && path.endsWith(".log (deleted)") ? [path] : [];
    } catch {
      // The one of this listing.
      return [];
    }
  });
}

Deno.test("StoreSnapshot.open() shows the moment of the call", async () => {
  using store = severalSegments();
  const expected = store.entries();
  const opening = StoreSnapshot.open(store.handle);
  store.write(["key1", "late"], ["late", "1"]);
  await using snapshot = await opening;
  assertEquals(await entriesOf(snapshot), expected);
});

Deno.test({
  name: "StoreSnapshot.open() makes an index as large as the store's own",
  // Untouched memory costs nothing, but the system may refuse to promise it.
  ignore: Deno.systemMemoryInfo().total < 2 ** 34,
  async fn() {
    for (const indexBytes of [2 ** 18, 2 ** 34 - 64, 2 ** 34]) {
      using store = new TempStore({ segmentBytes: 4_096, indexBytes });
      store.write(["key", "value"]);
      await using snapshot = await StoreSnapshot.open(store.handle);
      assertEquals(await entriesOf(snapshot), new Map([["key", "value"]]));
    }
  },
});

Deno.test("StoreSnapshot.open() shows a later moment where segments have gone meanwhile", async () => {
  using store = severalSegments();
  const { ids } = store;
  let orders = 0;
  using _ = replaceWorker((Worker) =>
    class extends Worker {
      override postMessage(order: unknown): void {
        if (++orders === 1) {
          store.write(["key1", "late"]);
          store.compact();
        }
        super.postMessage(order);
      }
    }
  );
  await using snapshot = await StoreSnapshot.open(store.handle);
  assert(ids.some((id) => !store.ids.includes(id)));
  assertEquals(orders, 2);
  assertEquals(await entriesOf(snapshot), store.entries());
});

Deno.test("StoreSnapshot is whole at any step of a compaction", () => {
  using store = severalSegments();
  for (let i = 0; i < 30; i++) store.write([`key${i}`]);
  store.write(["key59", "newer"]);
  let steps = 0;
  const check = () => {
    const list = store.log.segments.list();
    const held = HeldSegments.tryOpenThese(store.directory, list);
    assert(held !== undefined);
    using _ = held;
    const { index } = loadLog(
      Log.create(store.directory),
      held.list,
      SMALL.indexBytes,
    );
    const cache = new RecordCache("", 0, held, (key) => index.hashOf(key));
    const found = scanIndex(index, WHOLE, cache);
    assertEquals(mapOf(found), store.entries(), `Step ${steps}`);
    steps++;
  };
  store.compact("all", check);
  store.compact("all", check);
  check();
  assert(steps > 60, `Only ${steps} steps`);
});

Deno.test("StoreSnapshot.close() ends its Worker and lets go of segments", async () => {
  using store = severalSegments();
  const snapshot = await StoreSnapshot.open(store.handle);
  // It has the active segment open, which goes as well.
  store.log.detach();
  store.compact();
  const held = removedAndOpen(store);
  assert(held.length > 2, `Only ${held.length} are held`);
  const scanning = snapshot.scan(WHOLE);
  const closing = snapshot.close();
  await assertRejects(() => scanning, Error, "Snapshot is closed");
  await closing;
  await until(
    "the snapshot to let go of its segments",
    () => removedAndOpen(store).length === 0,
  );
});

Deno.test("StoreSnapshot.open() refuses a log that is not what was written", async () => {
  const cases: [
    damage: (store: TestStore, path: string) => void,
    message: string,
  ][] = [
    [
      (_, path) => {
        const content = Deno.readFileSync(path);
        content[100] ^= 1;
        Deno.writeFileSync(path, content);
      },
      "Corrupt data in",
    ],
    [
      (_, path) => {
        const content = Deno.readFileSync(path);
        // The last record: zeros pass for a write that was not acknowledged.
        content.fill(0, content.length - 225);
        Deno.writeFileSync(path, content);
      },
      "segment ends in a torn record",
    ],
    [
      (_, path) => Deno.truncateSync(path, 1_000),
      "File became shorter while it was read",
    ],
    [
      (store) => store.index.remove(bytes("key1"), emptyPointer()),
      "Snapshot has 40 keys instead of 39; see 'kvs check'",
    ],
  ];
  for (const [damage, message] of cases) {
    using store = severalSegments();
    damage(store, segmentPath(store.directory, 1));
    await assertRejects(
      () => StoreSnapshot.open(store.handle),
      Error,
      message,
    );
  }
});

Deno.test("StoreSnapshot fails with its Worker", async () => {
  using store = severalSegments();
  // It loads, or fails at once.
  for (const orders of [0, 1]) {
    let left = orders;
    using _ = replaceWorker(() =>
      failingWorker("Uncaught Error: Out of order", () => left-- <= 0)
    );
    const opening = StoreSnapshot.open(store.handle);
    const scan = async () => await (await opening).scan({});
    for (let i = 0; i < 2; i++) {
      await assertRejects(
        scan,
        Error,
        "Snapshot failed: Uncaught Error: Out of order",
      );
    }
  }
});
