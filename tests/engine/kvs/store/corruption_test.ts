import { assert, assertEquals } from "@std/assert";
import { CorruptionError } from "../../../../engine/errors.ts";
import {
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../../../../engine/kvs/log/segment.ts";
import { writeCheckpoint } from "../../../../engine/kvs/store/checkpoint.ts";
import { FaultyDisk } from "../_fault_injection.ts";
import {
  assertNoLies,
  flipBitsOfLog,
  forEachFlip,
  look,
  SMALL,
  writeAll,
  WRITES,
} from "../_corruption.ts";
import { damageStore } from "../_damage.ts";
import { copyDirectory, filesOf, MEMORY, TempDirectory } from "../_helpers.ts";
import { TempStore, TestStore } from "../_test_store.ts";

Deno.test("A log cut at any byte opens with everything before the cut", () => {
  // From one segment, whose records all end in different places.
  using store = new TempStore({ indexBytes: 2 ** 18 });
  const path = segmentPath(store.directory, 1);
  const ends: number[] = [];
  for (const write of WRITES) {
    store.write(write);
    ends.push(Deno.statSync(path).size);
  }
  const whole = Deno.readFileSync(path);
  using directory = new TempDirectory(MEMORY);
  using _disk = new FaultyDisk(directory.path);
  const cutPath = segmentPath(directory.path, 1);
  for (let size = 0; size <= whole.length; size++) {
    for (const zeros of [0, 1, 50]) {
      const content = new Uint8Array(size + zeros);
      content.set(whole.subarray(0, size));
      Deno.writeFileSync(cutPath, content);
      const model = new Map<string, string>();
      const count = ends.filter((end) => end <= size).length;
      for (const [key, value] of WRITES.slice(0, count)) {
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      using cut = new TestStore(directory.path, { indexBytes: 2 ** 18 });
      const what = `cut at ${size} with ${zeros} zeros`;
      // A piece of a record with zeros behind it may pass for a damaged one.
      if (zeros === 0) {
        assertEquals(cut.entries(), new Map([...model].sort()), what);
        cut.assertConsistent();
      } else if (cut.damage.every(({ reason }) => reason.includes("cut off"))) {
        assertEquals(cut.entries(), new Map([...model].sort()), what);
      }
      const reported = size < SEGMENT_HEADER_BYTES
        ? size + zeros > 0
        : size + zeros > (ends[count - 1] ?? SEGMENT_HEADER_BYTES);
      assertEquals(cut.damage.length > 0, reported, what);
      // And it goes on from there.
      assertEquals(cut.write(["plum", "new"]), [true]);
      using again = new TestStore(directory.path, { indexBytes: 2 ** 18 });
      assertEquals(again.get("plum"), "new", what);
      for (const id of again.ids) {
        Deno.removeSync(segmentPath(directory.path, id));
      }
    }
  }
});

Deno.test("No flipped bit in a log goes unnoticed or changes a value", () =>
  // The torture tests flip each one.
  flipBitsOfLog(5));

Deno.test("No flipped bit in a log goes unnoticed when it is compacted", () => {
  using store = new TempStore(SMALL);
  const history = writeAll(store, WRITES);
  for (const id of store.ids) {
    forEachFlip(segmentPath(store.directory, id), (what) => {
      using directory = new TempDirectory(MEMORY);
      using _disk = new FaultyDisk(directory.path);
      copyDirectory(store.directory, directory.path);
      using damaged = new TestStore(directory.path, SMALL);
      damaged.compact();
      assertNoLies(damaged, history, what);
      const { ids } = damaged;
      using again = new TestStore(directory.path, SMALL);
      assertEquals(again.ids, ids);
      if (damaged.damage.length > 0 && again.damage.length === 0) {
        // Where a bad end was cut off and reported, no more is to be said.
        assert(
          damaged.damage.every(({ reason }) => reason.includes("cut off")),
          what,
        );
        for (const key of history.keys()) {
          assertEquals(look(again, key), look(damaged, key), what);
        }
      } else assertNoLies(again, history, what);
    }, 5);
  }
});

Deno.test("A store whose files are damaged in any way loses nothing that is sound, and tells no lies", () => {
  // The torture tests damage more of them.
  const seed = Math.floor(Math.random() * 2 ** 31);
  for (let i = 0; i < 100; i++) damageStore(seed + i);
});

Deno.test("A bit that flips in an open store is noticed by who reads or compacts it", () => {
  using store = new TempStore(SMALL);
  const history = writeAll(store, WRITES);
  const [first] = store.ids;
  const size = Deno.statSync(segmentPath(store.directory, first)).size;
  for (let bit = 16 * 8; bit < size * 8; bit += 3) {
    using other = new TempStore(SMALL);
    using _disk = new FaultyDisk(other.directory);
    writeAll(other, WRITES);
    const path = segmentPath(other.directory, first);
    const content = Deno.readFileSync(path);
    content[bit >>> 3] ^= 1 << (bit & 7);
    Deno.writeFileSync(path, content);
    const before = new Map(
      [...history.keys()].map((key) => [key, look(other, key)]),
    );
    for (const [key, found] of before) {
      if (found instanceof CorruptionError) continue;
      assertEquals(found, history.get(key)!.at(-1), `bit ${bit}`);
    }
    let failure: unknown;
    try {
      other.compact();
    } catch (error) {
      failure = error;
    }
    assert(failure instanceof CorruptionError, `bit ${bit}: ${failure}`);
    assert(other.ids.includes(first), `bit ${bit}`);
    for (const [key, found] of before) {
      const after = look(other, key);
      if (found instanceof CorruptionError) {
        assert(after instanceof CorruptionError, `bit ${bit}`);
      } else assertEquals(after, found, `bit ${bit}`);
    }
  }
});

Deno.test("No flipped bit in a hint file changes what an opening finds", () => {
  using store = new TempStore(SMALL);
  const history = writeAll(store, [...WRITES, ...WRITES.slice(0, 7)]);
  store.compact();
  const entries = store.entries();
  assert(filesOf(store.directory, ".hint").length > 0);
  for (const name of filesOf(store.directory, ".hint")) {
    using directory = new TempDirectory(MEMORY);
    using _disk = new FaultyDisk(directory.path);
    copyDirectory(store.directory, directory.path);
    forEachFlip(`${directory.path}/${name}`, (what) => {
      using again = new TestStore(directory.path, SMALL);
      assertEquals(again.damage, [], what);
      assertEquals(again.entries(), entries, what);
      assertEquals(
        again.log.segments.list().map(({ deadBytes }) => deadBytes),
        store.log.segments.list().map(({ deadBytes }) => deadBytes),
      );
      assertNoLies(again, history, what);
    }, 3);
  }
});

Deno.test("No flipped bit in a snapshot changes what an opening finds", () => {
  using store = new TempStore(SMALL);
  writeAll(store, WRITES);
  const entries = store.entries();
  writeCheckpoint(store.log, store.index);
  const path = `${store.directory}/INDEX`;
  const content = Deno.readFileSync(path);
  // Nearly all of it is the empty places of readers and retired blocks.
  const bits: number[] = [];
  for (let bit = 0; bit < content.length * 8;) {
    const isSparse = bit > 1_400 * 8 && bit < (content.length - 700) * 8;
    bits.push(bit);
    bit += isSparse ? 20_011 : 37;
  }
  using _disk = new FaultyDisk(store.directory);
  for (const bit of bits) {
    content[bit >>> 3] ^= 1 << (bit & 7);
    Deno.writeFileSync(path, content);
    content[bit >>> 3] ^= 1 << (bit & 7);
    using again = new TestStore(store.directory, SMALL);
    assertEquals(again.damage, [], `bit ${bit}`);
    assertEquals(again.entries(), entries, `bit ${bit}`);
    if (bit % 5 === 0) again.assertConsistent();
  }
});
