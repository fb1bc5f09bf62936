import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Arena, IndexFullError } from "../../../engine/kvs/arena.ts";
import { HashIndex } from "../../../engine/kvs/hash_index.ts";
import { SkipList } from "../../../engine/kvs/skip_list.ts";
import { bytes } from "./_helpers.ts";

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

  find(key: string): number {
    this.list.probe(bytes(key));
    return this.hash.find(this.list.hashProbe());
  }

  insert(key: string): void {
    this.list.probe(bytes(key));
    const hash = this.list.hashProbe();
    this.hash.reserve(hash, false);
    const node = this.list.make(1, false);
    this.hash.insert(hash, node);
    this.nodes.set(key, node);
  }

  remove(key: string): void {
    const node = this.nodes.get(key)!;
    this.hash.remove(this.list.hashOf(node), node);
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
  const top = index.arena.topWords;
  const used = index.arena.usedWords;
  for (let round = 0; round < 50; round++) {
    for (let n = 0; n < 500; n++) {
      index.insert(`key ${round} ${n}`);
      const node = index.nodes.get(`key ${round} ${n}`)!;
      index.remove(`key ${round} ${n}`);
      index.list.free(node);
    }
  }
  assertEquals(index.arena.usedWords, used);
  assert(index.arena.topWords - top < 100, "tables were replaced");
  index.assertHolds(["key 1", "key 3 7"]);
});

Deno.test("HashIndex.release() gives a place back", () => {
  const index = new TestIndex();
  index.insert("k");
  index.list.probe(bytes("k"));
  const hash = index.list.hashProbe();
  const top = index.arena.topWords;
  for (let n = 0; n < 10_000; n++) {
    index.hash.reserve(hash, false);
    index.hash.release(hash);
  }
  assertEquals(index.arena.topWords, top);
});

Deno.test("HashIndex.reserve() keeps room for all that was reserved", () => {
  const index = new TestIndex();
  index.list.probe(bytes("k"));
  const hash = index.list.hashProbe();
  for (let n = 0; n < 1_000; n++) index.hash.reserve(hash, false);
  const top = index.arena.topWords;
  for (let n = 0; n < 1_000; n++) {
    index.hash.insert(hash, index.list.make(1, false));
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
  const { list, hash, arena } = index;
  hash.defer();
  for (let n = 0; n < 3_000; n++) {
    list.probe(bytes(`key ${n}`));
    assertEquals(list.findBefore(), 0);
    const node = list.make(1, false);
    // Linked at the lowest level alone, which is all that is asked for here.
    arena.words[node - 1] = arena.words[list.before[0] - 1];
    arena.words[list.before[0] - 1] = node;
    hash.insert(list.hashProbe(), node);
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
