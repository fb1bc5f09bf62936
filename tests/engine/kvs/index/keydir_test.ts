import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { IndexFullError } from "../../../../engine/errors.ts";
import {
  emptyPointer,
  type LogPointer,
} from "../../../../engine/kvs/index/log_pointer.ts";
import type { Entry } from "../../../../engine/kvs/index/entries.ts";
import { Keydir } from "../../../../engine/kvs/index/keydir.ts";
import { Position } from "../../../../engine/kvs/index/skip_list.ts";
import { bytes, latin1, Random, text } from "../_helpers.ts";
import { refillLargest, refillSmall } from "../_refill.ts";

const SIZE_BYTES = 2 ** 18;

/** A pointer that tells its number in each field. */
function pointerOf(n: number): LogPointer {
  return { segment: n, offset: n + 1, length: n + 2, sequence: n * 2 ** 16 };
}

/** All entries, a page at a time. */
function entriesOf(map: Keydir, pageSize = 7): Entry[] {
  const all: Entry[] = [];
  let page = map.page(pageSize);
  for (;;) {
    all.push(...page);
    if (page.length < pageSize) return all;
    page = map.page(pageSize, { after: page[page.length - 1].key });
  }
}

/** All entries from the last, a page at a time. */
function entriesBackwards(map: Keydir, pageSize: number): Entry[] {
  const all: Entry[] = [];
  let page = map.pageBackwards(pageSize);
  for (;;) {
    all.push(...page);
    if (page.length < pageSize) return all;
    page = map.pageBackwards(pageSize, { end: page[page.length - 1].key });
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** A sorted map done the plain way. */
class Model {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: Uint8Array): LogPointer | undefined {
    return this.#entries.get(latin1(key))?.pointer;
  }

  set(key: Uint8Array, pointer: LogPointer): void {
    this.#entries.set(latin1(key), { key, pointer });
  }

  remove(key: Uint8Array): void {
    this.#entries.delete(latin1(key));
  }

  page(
    from: Uint8Array | undefined,
    inclusive: boolean,
    limit: number,
    end?: Uint8Array,
  ) {
    return [...this.#entries.values()]
      .sort((a, b) => compareBytes(a.key, b.key))
      .filter(({ key }) => {
        if (end !== undefined && compareBytes(key, end) >= 0) return false;
        if (from === undefined) return true;
        const order = compareBytes(key, from);
        return inclusive ? order >= 0 : order > 0;
      })
      .slice(0, limit);
  }

  pageBackwards(
    before: Uint8Array | undefined,
    limit: number,
    start?: Uint8Array,
  ) {
    return this.page(start, true, Infinity, before).reverse().slice(0, limit);
  }
}

/** Keys that are easy to confuse: shared prefixes, zeros, word boundaries. */
const keys = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 97, 255), { maxLength: 6 })
    .map((array) => Uint8Array.from(array)),
  fc.tuple(fc.nat(70), fc.constantFrom(0, 97, 255), fc.nat(3))
    .map(([length, byte, last]) => {
      const key = new Uint8Array(length).fill(byte);
      if (length > 0) key[length - 1] = last;
      return key;
    }),
  fc.tuple(fc.integer({ min: 250, max: 3_000 }), fc.nat(2))
    .map(([length, last]) => {
      const key = new Uint8Array(length).fill(120);
      key[length - 1] = last;
      return key;
    }),
);

const commands = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("set"), key: keys }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove"), key: keys }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("move"), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stale"), key: keys }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop"), key: keys }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("page"),
      key: fc.option(keys, { nil: undefined }),
      inclusive: fc.boolean(),
      limit: fc.integer({ min: 1, max: 40 }),
      other: fc.option(keys, { nil: undefined }),
    }),
  },
);

Deno.test("Keydir agrees with a sorted Map under any commands", () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 120 }), (list) => {
      const map = Keydir.create(2 ** 20);
      const reader = Keydir.attach(map.buffer);
      const model = new Model();
      let n = 0;
      for (const command of list) {
        const pointer = pointerOf(++n);
        const previous = emptyPointer();
        if (command.do === "page" && "limit" in command) {
          const { key, inclusive, limit, other } = command;
          assertEquals(
            reader.page(limit, {
              start: inclusive ? key : undefined,
              after: inclusive ? undefined : key,
              end: other,
            }),
            model.page(key, inclusive, limit, other),
          );
          assertEquals(
            reader.pageBackwards(limit, { start: other, end: key }),
            model.pageBackwards(key, limit, other),
          );
          continue;
        }
        const key = command.key!;
        const known = model.get(key);
        if (command.do === "set") {
          assertEquals(map.set(key, pointer, previous), known !== undefined);
          if (known !== undefined) assertEquals(previous, known);
          model.set(key, pointer);
        } else if (command.do === "remove") {
          assertEquals(map.remove(key, previous), known !== undefined);
          if (known !== undefined) assertEquals(previous, known);
          model.remove(key);
        } else if (command.do === "move") {
          assertEquals(
            map.move(key, known ?? pointer, pointer),
            known !== undefined,
          );
          if (known !== undefined) model.set(key, pointer);
        } else if (command.do === "stale") {
          assertEquals(map.move(key, pointer, pointer), false);
        } else {
          map.discard(map.prepare(key, pointer));
        }
        const found = emptyPointer();
        assertEquals(reader.get(key, found), model.get(key) !== undefined);
        if (model.get(key)) assertEquals(found, model.get(key));
        assertEquals(reader.size, model.size);
      }
      assertEquals(
        entriesOf(reader),
        model.page(undefined, true, Infinity),
      );
    }),
    { numRuns: 300 },
  );
});

Deno.test("Keydir.load() agrees with a Map of the newest, in any order of keys", () => {
  const record = fc.record({
    key: keys,
    sequence: fc.nat(20),
    ascending: fc.boolean(),
  });
  const runs = fc.array(
    fc.oneof(
      fc.array(record, { maxLength: 30 }),
      // As hint files come: in the order of keys.
      fc.array(record, { maxLength: 60 }).map((records) =>
        records.map((one) => ({ ...one, ascending: true }))
          .sort((a, b) => compareBytes(a.key, b.key))
      ),
    ),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(runs, (runs) => {
      const map = Keydir.create(2 ** 20);
      const model = new Model();
      const position = new Position();
      let segment = 0;
      for (const { key, sequence, ascending } of runs.flat()) {
        const pointer = { segment: ++segment, offset: 1, length: 2, sequence };
        const previous = emptyPointer();
        const known = model.get(key);
        if (!ascending) position.reset();
        const outcome = map.load(key, pointer, previous, position);
        if (known === undefined) assertEquals(outcome, "inserted");
        else {
          assertEquals(previous, known);
          const older = known.sequence > sequence;
          assertEquals(outcome, older ? "older" : "replaced");
        }
        if (outcome !== "older") model.set(key, pointer);
      }
      assertEquals(entriesOf(map), model.page(undefined, true, Infinity));
    }),
    { numRuns: 300 },
  );
});

Deno.test("Keydir.get() fills in every field of a pointer", () => {
  const map = Keydir.create(SIZE_BYTES);
  const pointer = {
    segment: 2 ** 32 - 1,
    offset: 2 ** 31,
    length: 2 ** 31 + 7,
    sequence: 2 ** 48 - 1,
  };
  assertEquals(map.set(bytes("k"), pointer), false);
  const found = emptyPointer();
  assertEquals(map.get(bytes("k"), found), true);
  assertEquals(found, pointer);
});

Deno.test("Keydir.get() leaves the pointer alone for a missing key", () => {
  const map = Keydir.create(SIZE_BYTES);
  map.set(bytes("k"), pointerOf(1));
  const found = pointerOf(9);
  for (const missing of ["", "K", "j", "l", "kk", "k\0"]) {
    assertEquals(map.get(bytes(missing), found), false);
  }
  assertEquals(found, pointerOf(9));
});

Deno.test("Keydir.get() tells keys apart that differ in zeros at their end", () => {
  const map = Keydir.create(SIZE_BYTES);
  const all = Array.from({ length: 10 }, (_, n) => new Uint8Array(n));
  all.forEach((key, n) => map.set(key, pointerOf(n)));
  assertEquals(map.size, 10);
  const found = emptyPointer();
  all.forEach((key, n) => {
    assertEquals(map.get(key, found), true);
    assertEquals(found, pointerOf(n));
  });
  assertEquals(entriesOf(map).map(({ key }) => key.length), [...all.keys()]);
});

Deno.test("Keydir.prepare() refuses a key of more than 16 MiB", () => {
  const map = Keydir.create(2 ** 26);
  const longest = new Uint8Array(2 ** 24).fill(7);
  assertThrows(
    () => map.prepare(new Uint8Array(2 ** 24 + 1), pointerOf(1)),
    RangeError,
    "Key of 16777217 bytes is longer than 16777216 bytes",
  );
  map.set(longest, pointerOf(1));
  map.set(longest.subarray(1), pointerOf(2));
  const found = emptyPointer();
  assert(map.get(longest, found));
  assertEquals(found, pointerOf(1));
  assertEquals(map.page(5, { start: longest })[0].key, longest);
});

Deno.test("Keydir.publish() makes visible what prepare() had hidden", () => {
  const map = Keydir.create(SIZE_BYTES);
  const reader = Keydir.attach(map.buffer);
  const previous = emptyPointer();
  const first = map.prepare(bytes("k"), pointerOf(1));
  const second = map.prepare(bytes("k"), pointerOf(2));
  assertEquals(reader.get(bytes("k"), previous), false);
  assertEquals(reader.page(5), []);
  const position = new Position();
  assertEquals(map.publish(first, previous, position), false);
  position.reset();
  assertEquals(map.publish(second, previous, position), true);
  assertEquals(previous, pointerOf(1));
  assertEquals(reader.page(5), [
    { key: bytes("k"), pointer: pointerOf(2) },
  ]);
  assertEquals(map.size, 1);
});

Deno.test("Keydir.publish() finds the place of keys in any order, one after the other", () => {
  const random = new Random(11);
  const map = Keydir.create(2 ** 22);
  const model = new Model();
  const previous = emptyPointer();
  const position = new Position();
  let n = 0;
  for (let run = 0; run < 60; run++) {
    const first = random.below(2 ** 16);
    const step = [1, -1, 3, 1_000][run % 4];
    for (let i = 0; i < 100; i++) {
      const key = bytes(String(2 ** 20 + first + i * step));
      const pointer = pointerOf(++n);
      const known = model.get(key);
      if (i === 0) position.reset();
      const found = map.publish(map.prepare(key, pointer), previous, position);
      assertEquals(found, known !== undefined);
      if (known !== undefined) assertEquals(previous, known);
      model.set(key, pointer);
    }
    const key = bytes(String(2 ** 20 + first + 50 * step));
    map.remove(key, previous);
    model.remove(key);
  }
  assertEquals(entriesOf(map), model.page(undefined, true, Infinity));
});

Deno.test("Keydir.publish() goes on from no place that another instance has changed", () => {
  const map = Keydir.create(2 ** 22);
  const other = Keydir.attach(map.buffer);
  const previous = emptyPointer();
  const keyOf = (n: number) => bytes(`key ${String(n).padStart(6, "0")}`);
  const position = new Position();
  const batch = (numbers: number[]) => {
    position.reset();
    numbers.map((n) => map.prepare(keyOf(n), pointerOf(n)))
      .forEach((node) => map.publish(node, previous, position));
  };
  batch([1]);
  for (let round = 1; round <= 20; round++) {
    const first = round * 100;
    batch([first, first + 2, first + 4, first + 6]);
    // The nodes that the search ended at go, and their memory is used again.
    for (const n of [first, first + 2, first + 4, first + 6]) {
      other.remove(keyOf(n), previous);
    }
    for (let n = 0; n < 300; n++) other.set(keyOf(900_000 + n), pointerOf(n));
    for (let n = 0; n < 300; n++) other.remove(keyOf(900_000 + n), previous);
    // The first of these needs no search.
    batch([1, first + 8, first + 10]);
  }
  assertEquals(
    entriesOf(map).map(({ key }) => Number(text(key).slice(4))),
    [
      1,
      ...Array.from(
        { length: 20 },
        (_, i) => [i * 100 + 108, i * 100 + 110],
      ).flat(),
    ],
  );
});

Deno.test("Keydir.discard() gives back all the memory of prepare()", () => {
  const map = Keydir.create(SIZE_BYTES);
  // With the hash tables that these keys need.
  for (let n = 0; n < 7; n++) map.set(bytes(`key ${n}`), pointerOf(n));
  const used = map.usedBytes;
  for (let n = 0; n < 20_000; n++) {
    map.discard(map.prepare(bytes(`key ${n % 7}`), pointerOf(n)));
  }
  assertEquals(map.usedBytes, used);
});

Deno.test("Keydir.move() moves a key only from where it is", () => {
  const map = Keydir.create(SIZE_BYTES);
  map.set(bytes("k"), pointerOf(1));
  const elsewhere = { ...pointerOf(1), offset: 99 };
  assertEquals(map.move(bytes("k"), elsewhere, pointerOf(2)), false);
  assertEquals(map.move(bytes("x"), pointerOf(1), pointerOf(2)), false);
  assertEquals(map.move(bytes("k"), pointerOf(1), pointerOf(2)), true);
  const found = emptyPointer();
  assert(map.get(bytes("k"), found));
  assertEquals(found, pointerOf(2));
});

Deno.test("Keydir.set() throws IndexFullError for one key and harms no other", () => {
  const map = Keydir.create(SIZE_BYTES);
  let count = 0;
  assertThrows(() => {
    for (;; count++) map.set(bytes(`key ${count}`), pointerOf(count));
  }, IndexFullError);
  assert(count > 2_000, `only ${count} keys fit`);
  assertEquals(map.size, count);
  // Keys that are there can still be overwritten, moved and removed.
  const found = emptyPointer();
  for (let n = 0; n < count; n++) {
    const key = bytes(`key ${n}`);
    assert(map.set(key, pointerOf(n + 1)));
    assert(map.move(key, pointerOf(n + 1), pointerOf(n + 2)));
    assert(map.get(key, found));
    assertEquals(found, pointerOf(n + 2));
  }
  for (let n = 0; n < 500; n++) map.remove(bytes(`key ${n}`), found);
  // Heights differ, so not each node has room where another was.
  for (let n = 0; n < 300; n++) map.set(bytes(`new ${n}`), pointerOf(n));
  assertEquals(map.size, count - 500 + 300);
  assertEquals(entriesOf(map, 100).length, map.size);
});

Deno.test("Keydir.set() has room for as many keys as have been removed", () => {
  const map = Keydir.create(SIZE_BYTES);
  const previous = emptyPointer();
  const counts: number[] = [];
  for (let round = 0; round < 5; round++) {
    const keyOf = (n: number) => bytes(`${round} ${String(n).padStart(5)}`);
    let count = 0;
    assertThrows(() => {
      for (;; count++) map.set(keyOf(count), pointerOf(count));
    }, IndexFullError);
    for (let n = 0; n < count; n++) assert(map.remove(keyOf(n), previous));
    counts.push(count);
  }
  for (const count of counts) {
    assert(count >= counts[0], `rounds of ${counts} keys`);
  }
});

Deno.test("Keydir.set() has room for n keys of one length when n of them were removed", () =>
  refillSmall(30));

Deno.test({
  name:
    "Keydir.set() has room for removed keys at the end of the largest index",
  // Untouched memory costs nothing, but the system may refuse to promise it.
  ignore: Deno.systemMemoryInfo().total < 2 ** 34,
  fn: () => refillLargest(10),
});

Deno.test("Keydir stays within its memory when keys come and go", () => {
  const map = Keydir.create(2 ** 21);
  const previous = emptyPointer();
  const random = new Random(3);
  const round = (first: number) => {
    for (let n = 0; n < 2_000; n++) {
      map.set(bytes(`key ${n}`), pointerOf(first + n));
    }
    for (let n = 0; n < 2_000; n++) {
      map.set(bytes(`key ${random.below(2_000)}`), pointerOf(n));
    }
    for (let n = 0; n < 2_000; n++) map.remove(bytes(`key ${n}`), previous);
  };
  const empty = map.usedBytes;
  round(0);
  const top = map.arena.topWords;
  for (let i = 1; i <= 100; i++) round(i);
  assertEquals(map.size, 0);
  // At most a few epochs' worth of blocks waits to be free, and the hash tables
  // stay as large as they were.
  assert(map.usedBytes - empty < 40_000, `${map.usedBytes - empty} bytes`);
  // Heights are random, so each round wants a slightly other mix of sizes.
  const growth = map.arena.topWords / top;
  assert(growth < 1.5, `the memory grew by a factor of ${growth}`);
});

Deno.test("Keydir.restore() makes a map that goes on where the other was", () => {
  const old = Keydir.create(2 ** 20);
  const previous = emptyPointer();
  for (let n = 0; n < 3_000; n++) old.set(bytes(`key ${n}`), pointerOf(n));
  for (let n = 0; n < 3_000; n += 3) old.remove(bytes(`key ${n}`), previous);
  const content = new Uint8Array(old.buffer, 0, old.arena.topWords * 4);
  for (const sizeBytes of [2 ** 19, 2 ** 20, 2 ** 22]) {
    const map = Keydir.restore(sizeBytes, content.length, (into) => {
      assertEquals(into.length, content.length);
      into.set(content);
      return true;
    })!;
    assertEquals(map.size, old.size);
    assertEquals(entriesOf(map), entriesOf(old));
    for (let n = 0; n < 3_000; n++) {
      if (n % 3 === 1) map.remove(bytes(`key ${n}`), previous);
      if (n % 3 === 2) map.set(bytes(`key ${n}`), pointerOf(n + 1));
    }
    assertEquals(map.size, 1_000);
    for (const { key, pointer } of entriesOf(map)) {
      assertEquals(pointer, pointerOf(Number(latin1(key).slice(4)) + 1));
    }
  }
});

Deno.test("Keydir.restore() makes nothing of content that does not fit or fails", () => {
  const never = () => {
    throw new Error("asked to fill");
  };
  assertEquals(Keydir.restore(2 ** 18, 2 ** 18 + 4, never), undefined);
  assertEquals(Keydir.restore(2 ** 18, 2 ** 17, () => false), undefined);
});

Deno.test("Keydir.pageBackwards() pages through many keys of all heights", () => {
  const map = Keydir.create(2 ** 22);
  const random = new Random(5);
  for (let i = 0; i < 5_000; i++) {
    map.set(bytes(`${random.below(2 ** 30)}`), pointerOf(i));
  }
  const expected = entriesOf(map, 5_001).reverse();
  for (const pageSize of [1, 7, 256, 5_001]) {
    assertEquals(entriesBackwards(map, pageSize), expected);
  }
});
