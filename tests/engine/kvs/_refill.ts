/**
 * An index that is filled, emptied in part, and filled again.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IndexFullError } from "../../../engine/errors.ts";
import {
  emptyPointer,
  type LogPointer,
} from "../../../engine/kvs/index/log_pointer.ts";
import {
  HASH_KEY_0,
  HASH_KEY_1,
  RANDOM,
  TOP,
} from "../../../engine/kvs/index/layout.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { Position } from "../../../engine/kvs/index/skip_list.ts";
import { latin1, Random } from "./_helpers.ts";

/** A run over one index. */
export interface RefillRun {
  readonly seed: number;
  /** The size of the index. */
  readonly sizeBytes: number;
  /** The lengths of keys; one follows the other, a round each. */
  readonly keyBytes: readonly number[];
  /** Parts of 256 of the keys that a round removes, and overwrites between. */
  readonly removed: number;
  readonly overwritten: number;
  /** How many words of the index are left; all by default. */
  readonly leftWords?: number;
}

/** Makes all that is random in an index follow from a seed. */
export function seedMap(map: Keydir, random: Random): void {
  for (const word of [RANDOM, HASH_KEY_0, HASH_KEY_1]) {
    map.arena.words[word] = random.below(2 ** 32) || 1;
  }
}

/**
 * Fills an index, and for each length of keys, some rounds on: removes some
 * keys, overwrites others, and sees that as many fit again as were removed.
 */
export function refill(run: RefillRun): void {
  const random = new Random(run.seed);
  const map = Keydir.create(run.sizeBytes);
  seedMap(map, random);
  const { words } = map.arena;
  if (run.leftWords !== undefined) words[TOP] = words.length - run.leftWords;
  for (const length of run.keyBytes) new Refill(map, random, length).run(run);
}

class Refill {
  readonly #map: Keydir;
  readonly #random: Random;
  readonly #length: number;
  readonly #keys = new Map<number, LogPointer>();
  readonly #previous = emptyPointer();
  #next = 0;

  constructor(map: Keydir, random: Random, length: number) {
    this.#map = map;
    this.#random = random;
    this.#length = length;
  }

  run({ removed, overwritten, leftWords }: RefillRun): void {
    // Where only the reserve is left, this is how a log is loaded.
    if (leftWords !== undefined) this.#load();
    const first = this.#fill();
    assert(first > 0, `no key of ${this.#length} bytes fits`);
    for (let round = 0; round < 3; round++) {
      let count = 0;
      for (const n of [...this.#keys.keys()]) {
        if (this.#random.below(256) < removed) count += this.#remove(n);
        else if (this.#random.below(256) < overwritten) this.#overwrite(n);
      }
      for (let i = 0; i < count; i++) {
        assert(this.#set(), `${i} of ${count} keys fit again`);
      }
      this.#check();
    }
    for (const n of [...this.#keys.keys()]) this.#remove(n);
    assertEquals(this.#map.size, 0);
    assert(this.#fill() >= first, "fewer keys fit than at first");
    this.#check();
    for (const n of [...this.#keys.keys()]) this.#remove(n);
  }

  #keyOf(n: number): Uint8Array {
    const key = new Uint8Array(this.#length).fill(120);
    for (let at = 0; at < 4 && at < key.length; at++) key[at] = n >>> at * 8;
    return key;
  }

  #pointer(n: number): LogPointer {
    const value = this.#random.below(2 ** 32);
    return { segment: n, offset: value, length: n + 1, sequence: value };
  }

  /** Sets keys until one does not fit; says how many did. */
  #fill(): number {
    while (this.#set());
    return this.#keys.size;
  }

  #set(): boolean {
    const n = this.#next++;
    assert(this.#length >= 4 || n < 256 ** this.#length, "keys run out");
    const pointer = this.#pointer(n);
    try {
      assert(!this.#map.set(this.#keyOf(n), pointer));
    } catch (error) {
      if (!(error instanceof IndexFullError)) throw error;
      return false;
    }
    this.#keys.set(n, pointer);
    return true;
  }

  #load(): void {
    const position = new Position();
    for (;;) {
      const n = this.#next++;
      const pointer = this.#pointer(n);
      try {
        this.#map.load(this.#keyOf(n), pointer, this.#previous, position);
      } catch (error) {
        if (!(error instanceof IndexFullError)) throw error;
        return;
      }
      this.#keys.set(n, pointer);
    }
  }

  #overwrite(n: number): void {
    const pointer = this.#pointer(n);
    try {
      assert(this.#map.set(this.#keyOf(n), pointer, this.#previous));
    } catch (error) {
      // Without a reserve it need not fit.
      if (!(error instanceof IndexFullError)) throw error;
      return;
    }
    assertEquals(this.#previous, this.#keys.get(n));
    this.#keys.set(n, pointer);
  }

  #remove(n: number): 1 {
    assert(this.#map.remove(this.#keyOf(n), this.#previous));
    assertEquals(this.#previous, this.#keys.get(n));
    this.#keys.delete(n);
    return 1;
  }

  #check(): void {
    const found = emptyPointer();
    for (const [n, pointer] of this.#keys) {
      assert(this.#map.get(this.#keyOf(n), found));
      assertEquals(found, pointer);
    }
    for (let i = 0; i < 100; i++) {
      assert(!this.#map.get(this.#keyOf(this.#next + i), found));
    }
    assertEquals(this.#map.size, this.#keys.size);
    const page = this.#map.page(this.#keys.size + 1);
    assertEquals(new Set(page.map(({ key }) => latin1(key))).size, page.length);
    assertEquals(page.length, this.#keys.size);
  }
}

const common = {
  seed: fc.nat(),
  removed: fc.integer({ min: 1, max: 256 }),
  overwritten: fc.constantFrom(0, 0, 20, 256),
};

/** Lengths of keys whose nodes are blocks of all kinds; some like a record. */
const keyBytes = fc.oneof(
  fc.integer({ min: 3, max: 16 }),
  fc.integer({ min: 17, max: 300 }),
  fc.integer({ min: 301, max: 5_000 }),
);

/** Runs over indexes of the least sizes, and of those with more tables. */
export function refillSmall(numRuns: number): void {
  const run = fc.record({
    ...common,
    sizeBytes: fc.constantFrom(
      2 ** 18,
      2 ** 18 + 64,
      2 ** 19 - 64,
      2 ** 19,
      2 ** 20,
    ),
    keyBytes: keyBytes.map((length) => [length]),
  });
  fc.assert(fc.property(run, refill), { numRuns });
}

/** Runs at the upper end of the largest index. */
export function refillLargest(numRuns: number): void {
  const run = fc.record({
    ...common,
    sizeBytes: fc.constant(2 ** 34),
    keyBytes: keyBytes.map((length) => [length]),
    leftWords: fc.integer({ min: 8_000, max: 30_000 }),
  });
  fc.assert(fc.property(run, refill), { numRuns });
}
