import { assert, assertEquals, assertRejects } from "@std/assert";
import type { EngineSnapshot, KvsEngine } from "../../engine/engine.ts";
import { openSnapshot } from "../../engine/open.ts";
import { scanEntries } from "../../engine/scan.ts";
import { eventLoopTurn } from "../../net/waiting.ts";
import { testEngines } from "./_engines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How stores of engine kvs are opened here. */
const KVS = { segmentBytes: 16 * 1024, compactAtBytes: Infinity };

function write(engine: KvsEngine, model: Map<string, string | undefined>) {
  return engine.write(Array.from(model, ([key, value]) => ({
    key: encoder.encode(key),
    value: value === undefined ? undefined : encoder.encode(value),
  })));
}

async function entriesOf(
  store: Pick<EngineSnapshot, "scan"> | KvsEngine,
  maxBytes?: number,
): Promise<Map<string, string>> {
  const entries = await Array.fromAsync(scanEntries(store, { maxBytes }));
  return new Map(
    entries.map((
      { key, value },
    ) => [decoder.decode(key), decoder.decode(value)]),
  );
}

const PIECE = 60;
const names = Array.from({ length: 600 }, (_, i) => `k${1_000 + i}`);

testEngines(
  "openSnapshot() shows what was there, whatever comes later",
  KVS,
  async (engine) => {
    await write(engine, new Map(names.map((name) => [name, `old ${name}`])));
    await write(
      engine,
      new Map(names.slice(0, 100).map((n) => [n, undefined])),
    );
    const expected = await entriesOf(engine);
    assertEquals(expected.size, 500);
    await using snapshot = await openSnapshot(engine.share());
    assertEquals(await entriesOf(snapshot, 1_000), expected);
    await write(engine, new Map(names.slice(200).map((n) => [n, undefined])));
    await write(engine, new Map(names.slice(0, 300).map((n) => [n, "new"])));
    await write(engine, new Map([["late", "1"]]));
    await engine.compact();
    assertEquals(await entriesOf(snapshot, 1_000), expected);
    assertEquals((await entriesOf(engine)).size, 301);
    const backwards = await snapshot.scan({ reverse: true, limit: 1 });
    assertEquals(
      backwards.entries.map(({ key }) => decoder.decode(key)),
      ["k1599"],
    );
    const keys = await snapshot.scan({ keysOnly: true, limit: 600 });
    assertEquals([keys.entries.length, keys.more], [500, false]);
    assertEquals(keys.entries[0].value, undefined);
    await assertRejects(
      () => snapshot.scan({ limit: 0 }),
      RangeError,
      "Cannot scan 0 entries",
    );
    assertEquals((await snapshot.scan({ limit: 1 })).more, true);
  },
);

testEngines(
  "openSnapshot() shows one moment of a store that is written and compacted",
  KVS,
  async (engine) => {
    // Each round sets all keys in order, some at a time, and removes them
    // before, so that tombstones come and go.
    const pieces = Array.from(
      { length: names.length / PIECE },
      (_, i) => names.slice(i * PIECE, (i + 1) * PIECE),
    );
    const set = async (round: number) => {
      for (const piece of pieces) {
        const key = (name: string) => encoder.encode(name);
        await engine.write(piece.flatMap((name) => [
          { key: key(name), value: undefined },
          { key: key(name), value: encoder.encode(`${round}`) },
        ]));
        await eventLoopTurn();
      }
    };
    await set(0);
    let isOver = false;
    let acknowledged = 0;
    const write = async () => {
      for (; !isOver; acknowledged++) await set(acknowledged + 1);
    };
    const compact = async () => {
      while (!isOver) await engine.compact();
    };
    const churned = Promise.all([write(), compact()]);
    try {
      let seen = -1;
      for (let changes = 0; changes < 3;) {
        const before = acknowledged;
        await using snapshot = await openSnapshot(engine.share());
        const found = await entriesOf(snapshot, 2_000);
        assertEquals(found.size, names.length);
        const rounds = names.map((name) => Number(found.get(name)));
        const [first, last] = [rounds[0], rounds[names.length - 1]];
        assertEquals(rounds, rounds.toSorted((a, b) => b - a));
        assert(first - last <= 1 && last >= before, `${first}, ${last}`);
        await eventLoopTurn();
        assertEquals(await entriesOf(snapshot, 2_000), found);
        if (first > seen) changes++;
        seen = first;
      }
    } finally {
      isOver = true;
      await churned;
    }
  },
);

testEngines(
  "openSnapshot() opens an empty store, and several times",
  KVS,
  async (engine) => {
    await using empty = await openSnapshot(engine.share());
    await engine.set("k", "1");
    await using one = await openSnapshot(engine.share());
    await engine.set("k", "2");
    await using two = await openSnapshot(engine.share());
    assertEquals(await entriesOf(empty), new Map());
    assertEquals(await entriesOf(one), new Map([["k", "1"]]));
    assertEquals(await entriesOf(two), new Map([["k", "2"]]));
  },
);

testEngines(
  "openSnapshot() gives up when its signal aborts",
  KVS,
  async (engine) => {
    await engine.set("k", "1");
    const reason = new Error("Not wanted any more");
    await assertRejects(
      () => openSnapshot(engine.share(), { signal: AbortSignal.abort(reason) }),
      Error,
      reason.message,
    );
    let controller = new AbortController();
    const opening = openSnapshot(engine.share(), controller);
    queueMicrotask(() => controller.abort(reason));
    await assertRejects(() => opening, Error, reason.message);
    await using snapshot = await openSnapshot(
      engine.share(),
      controller = new AbortController(),
    );
    assertEquals((await entriesOf(snapshot)).size, 1);
  },
);

testEngines("EngineSnapshot.close() ends it", KVS, async (engine) => {
  await engine.set("k", "1");
  const snapshot = await openSnapshot(engine.share());
  await snapshot.close();
  await snapshot.close();
  await assertRejects(() => snapshot.scan({}));
  assertEquals(await engine.get("k"), "1");
});
