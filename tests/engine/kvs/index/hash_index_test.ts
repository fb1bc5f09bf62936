import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { IndexFullError } from "../../../../engine/errors.ts";
import { Arena } from "../../../../engine/kvs/index/arena.ts";
import { HashIndex } from "../../../../engine/kvs/index/hash_index.ts";
import { TABLE } from "../../../../engine/kvs/index/layout.ts";
import { PackedKey } from "../../../../engine/kvs/index/packed_key.ts";
import { Position, SkipList } from "../../../../engine/kvs/index/skip_list.ts";
import { bytes, text } from "../_helpers.ts";

/**
 * One of 2^16 keys with equal hashes: each eight bytes of it are one of two
 * that lead MurmurHash3 to the same state (Aumasson and Bernstein 2012).
 */
function collidingKey(n: number): string {
  const halves = [
    [0xd0, 0xac, 0xd5, 0xab, 0x73, 0x24, 0x3d, 0x2a],
    [0xdb, 0x8c, 0x34, 0x53, 0x37, 0x73, 0x3d, 0x2a],
  ];
  const key = Array.from({ length: 16 }, (_, bit) => halves[n >>> bit & 1]);
  return text(Uint8Array.from(key.flat()));
}

/** An index and a list, and the nodes that are in the index by their keys. */
class TestIndex {
  readonly arena: Arena;
  readonly list: SkipList;
  readonly hash: HashIndex;
  readonly nodes = new Map<string, number>();

  constructor(sizeBytes = 2 ** 20) {
    this.arena = Arena.create(sizeBytes);
    SkipList.format(this.arena);
    HashIndex.format(this.arena);
    this.list = new SkipList(this.arena);
    this.hash = new HashIndex(this.arena, this.list);
  }

  pack(key: string): PackedKey {
    return new PackedKey(this.arena.words).pack(bytes(key));
  }

  find(key: string): number {
    return this.hash.find(this.pack(key));
  }

  insert(key: string): void {
    const packed = this.pack(key);
    this.hash.reserve(packed.hash, false);
    const node = this.list.make(packed, 1, false);
    this.hash.insert(packed.hash, node);
    this.link(packed, node);
    this.nodes.set(key, node);
  }

  link(key: PackedKey, node: number): void {
    const position = new Position();
    this.list.seek(key, position);
    this.list.link(node, position);
  }

  /** Keeps the node's memory, which the caller may free. */
  remove(key: string): void {
    const packed = this.pack(key);
    const node = this.nodes.get(key)!;
    this.hash.remove(packed.hash, node);
    const position = new Position();
    assertEquals(this.list.seek(packed, position), node);
    // What unlink() does besides, retiring it, would free it twice.
    const { words } = this.arena;
    for (let level = 0; level < (words[node + 1] & 15); level++) {
      words[position.before[level] - 1 - level] = words[node - 1 - level];
    }
    this.nodes.delete(key);
  }

  assertHolds(keys: Iterable<string>): void {
    for (const key of keys) {
      assertEquals(this.find(key), this.nodes.get(key) ?? 0, key);
    }
  }
}

Deno.test("HashIndex.find() finds what is in it, while keys come and go", () => {
  const key = fc.integer({ min: 0, max: 150 }).map((n) => `key ${n}`);
  fc.assert(
    fc.property(fc.array(key, { maxLength: 500 }), (keys) => {
      const index = new TestIndex();
      // The second time a key comes it goes, the third time it comes again.
      for (const key of keys) {
        if (index.nodes.has(key)) index.remove(key);
        else index.insert(key);
      }
      index.assertHolds(Array.from({ length: 151 }, (_, n) => `key ${n}`));
    }),
    { numRuns: 60 },
  );
});

Deno.test("HashIndex.find() finds keys with equal lengths, prefixes and zeros", () => {
  const index = new TestIndex();
  const keys = ["", "\0", "\0\0", "a", "a\0", "a\0\0\0", "a\0\0\0\0", "abcd"];
  keys.forEach((key) => index.insert(key));
  index.assertHolds([...keys, "\0\0\0", "abc", "abcde"]);
});

Deno.test("HashIndex.remove() leaves no trace of keys that come and go", () => {
  const index = new TestIndex();
  for (let n = 0; n < 1_000; n++) index.insert(`key ${n}`);
  for (let n = 0; n < 1_000; n++) index.remove(`key ${n}`);
  const { arena } = index;
  const used = arena.usedWords;
  const tables: number[] = [];
  const tryAllocate = arena.tryAllocate.bind(arena);
  arena.tryAllocate = (size, useReserve, use) => {
    if (use === TABLE) tables.push(size);
    return tryAllocate(size, useReserve, use);
  };
  for (let round = 0; round < 50; round++) {
    for (let n = 0; n < 500; n++) {
      index.insert(`key ${round} ${n}`);
      const node = index.nodes.get(`key ${round} ${n}`)!;
      index.remove(`key ${round} ${n}`);
      index.list.free(node);
    }
  }
  assertEquals(arena.usedWords, used);
  assertEquals(tables, [], "tables were replaced");
  index.assertHolds(["key 1", "key 3 7"]);
});

Deno.test("HashIndex.release() gives a place back", () => {
  const index = new TestIndex();
  index.insert("k");
  const { hash } = index.pack("k");
  const top = index.arena.topWords;
  for (let n = 0; n < 10_000; n++) {
    index.hash.reserve(hash, false);
    index.hash.release(hash);
  }
  assertEquals(index.arena.topWords, top);
});

Deno.test("HashIndex.reserve() keeps room for all that was reserved", () => {
  const index = new TestIndex();
  const { hash } = index.pack("k");
  for (let n = 0; n < 1_000; n++) index.hash.reserve(hash, false);
  const top = index.arena.topWords;
  for (let n = 0; n < 1_000; n++) {
    index.hash.insert(hash, index.list.make(index.pack("k"), 1, false));
  }
  // Nodes were made, and no table.
  const nodeWords = 14 + 2 + 1;
  assert(index.arena.topWords - top <= 1_000 * nodeWords);
  assertEquals(index.find("absent"), 0);
});

Deno.test("HashIndex.reserve() says so when the arena is full, and harms nothing", () => {
  const index = new TestIndex(2 ** 18);
  assertThrows(() => {
    for (let n = 0;; n++) index.insert(`key ${n}`);
  }, IndexFullError);
  index.assertHolds(index.nodes.keys());
});

Deno.test("HashIndex.build() makes the tables for all nodes of the list", () => {
  const index = new TestIndex();
  const { list, hash } = index;
  hash.defer();
  for (let n = 0; n < 3_000; n++) {
    const key = index.pack(`key ${n}`);
    const node = list.make(key, 1, false);
    index.link(key, node);
    hash.insert(key.hash, node);
    index.nodes.set(`key ${n}`, node);
  }
  // Until then look-ups go to the list.
  index.assertHolds(["key 0", "key 2999", "absent"]);
  hash.build();
  index.assertHolds([...index.nodes.keys(), "absent"]);
  index.insert("after");
  index.remove("key 7");
  index.assertHolds(["after", "key 7", "key 8"]);
});

/** Takes all memory that is not in free blocks of nodes. */
function starve({ arena }: TestIndex): void {
  while (arena.tryAllocate(3, true, TABLE) !== 0);
  while (arena.tryAllocate(1, true, TABLE) !== 0);
}

Deno.test("HashIndex.find() finds nodes that their tables have no memory for", () => {
  const key = fc.integer({ min: 0, max: 400 }).map((n) => `key ${n}`);
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 600 }),
      fc.nat(200),
      (keys, before) => {
        const index = new TestIndex(2 ** 18);
        const { arena, list } = index;
        const put = (key: string) => {
          if (!index.nodes.has(key)) return index.insert(key);
          const node = index.nodes.get(key)!;
          index.remove(key);
          list.free(node);
        };
        keys.slice(0, before).forEach(put);
        // Any of the 401 keys may come yet.
        const spare = Array.from(
          { length: 401 },
          () => list.make(index.pack("key 000"), 1, false),
        );
        starve(index);
        spare.forEach((node) => list.free(node));
        keys.slice(before).forEach(put);
        index.assertHolds(Array.from({ length: 401 }, (_, n) => `key ${n}`));
        const top = arena.topWords;
        for (const key of [...index.nodes.keys()]) index.remove(key);
        index.assertHolds(["key 0", "key 200", "key 400"]);
        assertEquals(arena.topWords, top);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("HashIndex.build() leaves nodes outside that there is no memory for", () => {
  const index = new TestIndex(2 ** 18);
  const { list, hash } = index;
  hash.defer();
  for (let n = 0; n < 500; n++) {
    const key = index.pack(`key ${n}`);
    const node = list.make(key, 1, false);
    index.link(key, node);
    hash.insert(key.hash, node);
    index.nodes.set(`key ${n}`, node);
  }
  starve(index);
  hash.build();
  index.assertHolds([...index.nodes.keys(), "absent"]);
  for (let n = 0; n < 500; n++) index.remove(`key ${n}`);
  index.assertHolds(["key 0", "key 499", "absent"]);
});

Deno.test("HashIndex keeps keys apart that MurmurHash3 has one hash for, whatever its seed", () => {
  const index = new TestIndex(2 ** 22);
  for (let n = 0; n < 5_000; n++) index.insert(collidingKey(n));
  const hashes = new Set(
    [...index.nodes.values()].map((node) => index.list.hashOf(node)),
  );
  // Two in 5,000 have one hash with a chance of 1 in 340.
  assert(hashes.size > 4_990, `${hashes.size} hashes of 5,000 keys`);
  index.assertHolds([collidingKey(0), collidingKey(4_999)]);
});
