import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ReadOnlyStore,
  type ReadOnlyStoreOptions,
} from "../../../../engine/kvs/store/read_only_store.ts";
import { CorruptionError } from "../../../../engine/errors.ts";
import {
  type Damage,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import {
  hasCheckpoint,
  writeCheckpoint,
} from "../../../../engine/kvs/store/checkpoint.ts";
import { FaultyDisk } from "../_fault_injection.ts";
import {
  bytes,
  filesOf,
  latin1,
  openStore,
  TempDirectory,
  text,
} from "../_helpers.ts";
import { TempStore } from "../_test_store.ts";

const SMALL = { segmentBytes: 4_096 };

/** What {@linkcode severalSegments} makes, at least. */
const SEGMENTS = 4;

/** A log of several segments, in a directory that belongs to engine kvs. */
function severalSegments(): TempStore {
  const store = new TempStore(SMALL);
  Deno.writeTextFileSync(`${store.directory}/ENGINE`, "kvs 1\n");
  for (let i = 0; i < 60; i++) store.write([`key${i}`, "v".repeat(200)]);
  for (let i = 0; i < 60; i += 3) store.write([`key${i}`]);
  return store;
}

/** Opens a directory for reading, with a small index and no damage. */
function open(
  directory: string,
  options: ReadOnlyStoreOptions = {},
): ReadOnlyStore {
  return ReadOnlyStore.open(directory, {
    indexBytes: 2 ** 20,
    onDamage: (damage) => {
      throw new Error(`Unexpected damage: ${JSON.stringify(damage)}`);
    },
    ...options,
  });
}

function entriesOf(store: ReadOnlyStore): Map<string, string> {
  const { entries, more } = store.scan({ limit: Infinity, maxBytes: Infinity });
  assertEquals(more, false);
  return new Map(
    entries.map(({ key, value }) => [text(key), text(value!)] as const),
  );
}

/** Names, contents and times of a directory's files, and its own time. */
function stateOf(directory: string): unknown {
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  return [
    Deno.statSync(directory).mtime,
    ...names.map((name) => {
      const path = `${directory}/${name}`;
      return [name, Deno.readFileSync(path), Deno.statSync(path).mtime];
    }),
  ];
}

Deno.test("ReadOnlyStore shows what was there as it was opened, whatever comes later", () => {
  using store = severalSegments();
  const expected = store.entries();
  const before = filesOf(store.directory, ".log");
  using reader = open(store.directory);
  for (let i = 0; i < 60; i++) store.write([`key${i}`, "newer"]);
  store.write(["key1"], ["late", "1"]);
  store.compact();
  const after = filesOf(store.directory, ".log");
  assertEquals(before.filter((name) => after.includes(name)), []);
  assertEquals(entriesOf(reader), expected);
  assertEquals(reader.size, expected.size);
  assertEquals(reader.get("key1"), expected.get("key1"));
  assertEquals(reader.get("key0"), undefined);
  assertEquals(reader.get("late"), undefined);
});

Deno.test("ReadOnlyStore.open() opens beside the owner, and changes nothing", async () => {
  using temporary = new TempDirectory();
  await using store = openStore(temporary.path, SMALL);
  for (let i = 0; i < 100; i++) await store.set(`key${i}`, "v".repeat(200));
  const newest = filesOf(temporary.path, ".log").at(-1);
  const path = `${temporary.path}/${newest}`;
  Deno.writeFileSync(path, new Uint8Array(10).fill(7), { append: true });
  const state = stateOf(temporary.path);
  using disk = new FaultyDisk(temporary.path);
  disk.onStep = ({ call }) => assertEquals(call, "openSync");
  {
    using reader = open(temporary.path);
    assertEquals(entriesOf(reader).size, 100);
  }
  assertEquals(disk.changes, 0);
  assertEquals(stateOf(temporary.path), state);
});

Deno.test("ReadOnlyStore.open() takes no unfinished write for damage, wherever it ends", () => {
  using store = severalSegments();
  const path = segmentPath(store.directory, store.ids.at(-1)!);
  const expected = store.entries();
  const before = Deno.statSync(path).size;
  store.write(["last", "value"]);
  const whole = Deno.readFileSync(path);
  for (let size = before; size < whole.length; size++) {
    Deno.writeFileSync(path, whole.subarray(0, size));
    using reader = open(store.directory);
    assertEquals(entriesOf(reader), expected);
    assertEquals(Deno.statSync(path).size, size);
  }
  Deno.writeFileSync(path, whole);
  using reader = open(store.directory);
  assertEquals(reader.get("last"), "value");
});

for (const withSnapshot of [false, true]) {
  const how = withSnapshot ? "snapshot" : "log";
  Deno.test(`ReadOnlyStore.open() opens a whole store while compactions go on (${how})`, () => {
    let isReached = true;
    let opened = 0;
    for (let step = 1; isReached; step++) {
      using store = severalSegments();
      if (withSnapshot) {
        assert(writeCheckpoint(store.log, store.index));
        assert(hasCheckpoint(store.directory));
        store.write(["key2"], ["late", "1"]);
      }
      const before = store.entries();
      using disk = new FaultyDisk(store.directory);
      isReached = false;
      disk.onStep = ({ number }) => {
        if (number !== step) return;
        isReached = true;
        disk.heal();
        // What the first compaction leaves of the removed keys goes with the
        // second, tombstones and all.
        for (let i = 0; i < 30; i++) store.write([`key${i}`]);
        store.write(["key59", "newer"]);
        store.compact();
        store.compact();
      };
      using reader = open(store.directory);
      disk.heal();
      const found = entriesOf(reader);
      const allowed = [before, store.entries()].map((map) => [...map]);
      assert(
        allowed.some((entries) =>
          JSON.stringify(entries) === JSON.stringify([...found])
        ),
        `A mixture at step ${step}: ${JSON.stringify([...found])}`,
      );
      opened++;
    }
    assert(opened > SEGMENTS, `Only ${opened} steps`);
  });
}

Deno.test("ReadOnlyStore.open() lists again where a listing has missed segments", () => {
  using store = severalSegments();
  for (let i = 0; i < 60; i += 2) store.write([`key${i}`, "newer"]);
  const { readDirSync } = Deno;
  let listings = 0;
  Deno.readDirSync = (path) => {
    if (++listings > 1) return readDirSync(path);
    // Neither what goes while it is being listed need be seen, nor what comes.
    const before = [...readDirSync(path)];
    store.compact();
    const after = new Set([...readDirSync(path)].map(({ name }) => name));
    const seen = before.filter(({ name }) => after.has(name));
    assert(seen.length < before.length && seen.length < after.size);
    return seen.values();
  };
  try {
    using reader = open(store.directory);
    assertEquals(entriesOf(reader), store.entries());
    assert(listings > 2);
  } finally {
    Deno.readDirSync = readDirSync;
  }
});

Deno.test("ReadOnlyStore reports damage, and hides no error behind an older value", () => {
  using store = severalSegments();
  store.write(["key1", "damaged"], ["key2", "sound"]);
  const path = segmentPath(store.directory, store.ids.at(-1)!);
  const content = Deno.readFileSync(path);
  content[latin1(content).indexOf("damaged")] ^= 1;
  Deno.writeFileSync(path, content);
  const damage: Damage[] = [];
  using reader = open(store.directory, {
    onDamage: (found) => damage.push(found),
  });
  assertEquals(damage.map(({ path, reason }) => [path, reason]), [
    [path, "record does not match its checksum"],
  ]);
  assertThrows(() => reader.get("key1"), CorruptionError, path);
  assertEquals(reader.get("key2"), "sound");
});

Deno.test("ReadOnlyStore.open() says so where there is nothing to be read", () => {
  using temporary = new TempDirectory();
  const { path } = temporary;
  assertThrows(
    () => open(`${path}/missing`),
    Error,
    `Cannot open data directory "${path}/missing": it does not exist`,
  );
  assertThrows(
    () => open(path),
    Error,
    `Cannot open data directory "${path}": it holds no store`,
  );
  Deno.writeTextFileSync(`${path}/ENGINE`, "level 1\n");
  assertThrows(
    () => open(path),
    Error,
    `Cannot open data directory "${path}" read-only: engine level lets one process open its files at a time`,
  );
  Deno.writeTextFileSync(`${path}/ENGINE`, "kvs 2\n");
  assertThrows(() => open(path), Error, "it has format 2 of engine kvs");
  assertEquals([...Deno.readDirSync(path)].map(({ name }) => name), ["ENGINE"]);
});

Deno.test("ReadOnlyStore reads a store that nobody has open, snapshot and hints too", async () => {
  using temporary = new TempDirectory();
  const value = "v".repeat(2_000);
  {
    await using store = openStore(temporary.path, {
      indexBytes: 2 ** 22,
      segmentBytes: 2 ** 18,
    });
    for (let i = 0; i < 1_000; i++) {
      store.write([{ key: bytes(`key${i}`), value: bytes(value) }]);
    }
    await store.compact();
  }
  assert(hasCheckpoint(temporary.path));
  assert(filesOf(temporary.path, ".hint").length > 0);
  const entries = Array.from({ length: 1_000 }, (_, i) => `key${i}`).sort();
  using reader = open(temporary.path, { indexBytes: 2 ** 22 });
  assertEquals([...entriesOf(reader).keys()], entries);
  assertEquals(reader.get("key7"), value);
});
