/**
 * Readers of a map while its writer is stopped at one of its steps, and the
 * other way round.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { NODE, RECORD } from "../../../engine/kvs/index/layout.ts";
import {
  emptyPointer,
  type LogPointer,
} from "../../../engine/kvs/index/log_pointer.ts";
import type { Entry } from "../../../engine/kvs/index/entries.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { bytes, text } from "./_helpers.ts";
import { withSteps } from "./_steps.ts";

/** The keys that are there all the while: each second of these numbers. */
const KEYS = 12;
const PERMANENT = Array.from({ length: KEYS / 2 }, (_, n) => n * 2);

function keyOf(n: number): Uint8Array {
  return bytes(`k${String(n).padStart(4, "0")}`);
}

function pointerOf(n: number, version: number): LogPointer {
  return {
    segment: n,
    offset: version,
    length: n * 1_000 + version,
    sequence: version * 2 ** 33 + n,
  };
}

function assertWhole(n: number, pointer: LogPointer): void {
  assertEquals(pointer, pointerOf(n, pointer.offset));
}

/** What a writer does in one go while a reader is between two of its steps. */
type Burst = (writer: Keydir) => void;

const previous = emptyPointer();
const put = (writer: Keydir, n: number, version: number) =>
  writer.set(keyOf(n), pointerOf(n, version), previous);
const take = (writer: Keydir, n: number) => writer.remove(keyOf(n), previous);

/**
 * Has every retired block back that may come back, and writes over the free
 * memory: what the reader still stands on must not be among it.
 */
function reuse(writer: Keydir): void {
  for (let round = 0; round < 4; round++) {
    for (let n = 300; n < 420; n++) put(writer, n, 1);
    for (let n = 300; n < 420; n++) take(writer, n);
  }
}

const BURSTS: Record<string, Burst> = {
  "overwrites every key": (writer) => {
    for (const n of PERMANENT) put(writer, n, 2);
  },
  "overwrites every key many times": (writer) => {
    for (let version = 2; version < 60; version++) {
      for (const n of PERMANENT) put(writer, n, version);
    }
    reuse(writer);
  },
  "inserts a key in every gap": (writer) => {
    for (const n of PERMANENT) put(writer, n + 1, 1);
  },
  "removes the keys that come and go": (writer) => {
    for (let n = 1; n < KEYS; n += 2) take(writer, n);
  },
  "removes them and uses their memory again": (writer) => {
    for (let n = 1; n < KEYS; n += 2) take(writer, n);
    reuse(writer);
    for (let n = 1; n < KEYS; n += 4) put(writer, n, 3);
  },
  "grows the tables": (writer) => {
    for (let n = 100; n < 1_500; n++) put(writer, n, 1);
    for (let n = 100; n < 1_500; n++) take(writer, n);
    reuse(writer);
  },
};

/** How a map is before the burst. */
const MAPS = {
  "a sparse map": { withOthers: false, isStarved: false },
  "a full map": { withOthers: true, isStarved: false },
  "a map without memory for its tables": { withOthers: true, isStarved: true },
};

type Kind = typeof MAPS[keyof typeof MAPS];

/** A map with the permanent keys and, if wanted, with all the others. */
function mapOf({ withOthers, isStarved }: Kind): Keydir {
  const map = Keydir.create(isStarved ? 2 ** 18 : 2 ** 20);
  if (isStarved) starve(map);
  for (let n = 0; n < KEYS; n++) {
    if (withOthers || n % 2 === 0) put(map, n, 1);
  }
  return map;
}

/**
 * Leaves memory for some hundred keys, and for no table: so most of the keys
 * that come are in none.
 */
function starve(map: Keydir): void {
  const { arena } = map;
  const nodes: [number, number][] = [];
  const records: number[] = [];
  // As much as a burst takes of which nothing comes back to it.
  for (let i = 0; i < 1_000; i++) {
    const size = 5 + i % 4;
    nodes.push([arena.allocate(size), size]);
    records.push(arena.allocate(5, false, RECORD));
  }
  for (const size of [1_000, 10, 1]) {
    while (arena.tryAllocate(size, true, NODE) !== 0);
  }
  for (const record of records) arena.free(record, 5, RECORD);
  for (const [block, size] of nodes) arena.free(block, size);
  // More than the sixteen tables have room for.
  for (let n = 500; n < 650; n++) put(map, n, 1);
}

/**
 * Does something with a reader once for each of its atomic steps, or one in so
 * many, before which the writer's burst comes, until it has no more steps.
 *
 * Readers and writer meet in atomic loads and stores only, so these are all
 * moments at which a whole burst can fall.
 */
function atSteps(
  every: number,
  burst: Burst,
  kind: Kind,
  act: (reader: Keydir, step: number) => void,
): void {
  for (let step = 1;; step += every) {
    const writer = mapOf(kind);
    const reader = Keydir.attach(writer.buffer);
    let steps = 0;
    withSteps(
      () => {
        if (++steps === step) burst(writer);
      },
      () => act(reader, step),
    );
    if (steps < step) return;
  }
}

function assertPage(
  page: Entry[],
  from: number,
  inclusive: boolean,
  limit: number,
  step: number,
): void {
  let last = inclusive ? from - 1 : from;
  const missed = (below: number) =>
    PERMANENT.filter((n) => n > last && n < below);
  for (const { key, pointer } of page) {
    const n = Number(text(key).slice(1));
    assert(n > last, `${n} came after ${last} at step ${step}`);
    assertEquals(missed(n), [], `step ${step}`);
    assertWhole(n, pointer);
    last = n;
  }
  if (page.length < limit) assertEquals(missed(Infinity), [], `step ${step}`);
}

/**
 * Declares the tests of readers that a writer's burst interrupts.
 *
 * @param every Of how many of a reader's steps one is interrupted.
 */
export function testInterruptedReaders(every: number): void {
  const when = every === 1
    ? "any of its steps"
    : `one in ${every} of its steps`;
  for (const [name, burst] of Object.entries(BURSTS)) {
    for (const [where, kind] of Object.entries(MAPS)) {
      // It needs more memory than is left.
      if (kind.isStarved && name === "grows the tables") continue;

      Deno.test(`Keydir.get() in ${where}: right, though a writer ${name} at ${when}`, () => {
        for (let n = -1; n <= KEYS; n++) {
          atSteps(every, burst, kind, (reader, step) => {
            const found = emptyPointer();
            const key = n < 0 ? bytes("") : keyOf(n);
            const isFound = reader.get(key, found);
            const isPermanent = PERMANENT.includes(n);
            if (isFound) assertWhole(n, found);
            assert(
              isFound || !isPermanent,
              `key ${n} was missed at step ${step}`,
            );
            if (n < 0 || n >= KEYS) assert(!isFound);
          });
        }
      });

      Deno.test(`Keydir.page() in ${where}: right, though a writer ${name} at ${when}`, () => {
        for (const from of [undefined, 0, 1, KEYS - 2, KEYS - 1, KEYS]) {
          for (const [inclusive, limit] of [[true, 4], [false, 50]] as const) {
            atSteps(every, burst, kind, (reader, step) => {
              const start = from === undefined ? undefined : keyOf(from);
              const page = reader.page(
                limit,
                inclusive ? { start } : { after: start },
              );
              assertPage(page, from ?? -1, inclusive, limit, step);
            });
          }
        }
      });
    }
  }
}

/** Declares the tests of readers that interrupt a writer's burst. */
export function testInterruptedWriters(): void {
  for (const [name, burst] of Object.entries(BURSTS)) {
    Deno.test(`Keydir is right for who reads at any step of a writer that ${name}`, () => {
      const writer = mapOf(MAPS["a full map"]);
      const reader = Keydir.attach(writer.buffer);
      const found = emptyPointer();
      let steps = 0;
      withSteps(() => {
        // The longest of them take a hundred thousand steps.
        if (++steps > 500 && steps % 997 !== 0) return;
        for (let n = 0; n < KEYS; n++) {
          if (reader.get(keyOf(n), found)) assertWhole(n, found);
          else assert(n % 2 === 1, `key ${n} was missed at step ${steps}`);
        }
        assertPage(reader.page(9), -1, true, 9, steps);
        assertPage(reader.page(50, { after: keyOf(3) }), 3, false, 50, steps);
      }, () => burst(writer));
      assert(steps > 0);
    });
  }
}
