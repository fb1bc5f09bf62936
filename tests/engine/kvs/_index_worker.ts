/**
 * Readers and a writer of one Keydir, each in a Worker of its own. Keys and
 * pointers say what they must be, so that a reader can tell a mixture.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import {
  emptyPointer,
  type LogPointer,
} from "../../../engine/kvs/index/log_pointer.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { DEADLINE_MS } from "../../_deadline.ts";
import { bytes, Random, text } from "./_helpers.ts";

/** What a Worker is to do. */
export interface IndexTask {
  readonly role: "write" | "waves" | "read";
  /** The map's memory. */
  readonly buffer: SharedArrayBuffer;
  /**
   * Its first word becomes 1 when the writer is done; its second counts the
   * readers that have read something, for whom the writer waits.
   */
  readonly flags: Int32Array;
  readonly readers: number;
  /**
   * The number of keys: those with an even number are there all the while, the
   * others come and go.
   */
  readonly keys: number;
  /**
   * How many changes the writer makes: at random, or in waves in which all the
   * keys come that come and go, and all of them go.
   */
  readonly changes: number;
  readonly seed: number;
}

/** What a Worker has done. */
export interface IndexReport {
  readonly changes: number;
  readonly lookups: number;
  readonly pages: number;
  readonly maxUsedBytes: number;
  /** The words ever used after a tenth of the changes, and after all. */
  readonly topWords: readonly [number, number];
}

/** The key of a number; keys are in the order of their numbers. */
export function keyOf(n: number): Uint8Array {
  // Lengths differ, so that freed memory serves for nodes of other sizes.
  return bytes(`${String(n).padStart(6, "0")}${"x".repeat(n * 7 % 23)}`);
}

/** The pointer of a key's version: each field follows from the others. */
export function pointerOf(n: number, version: number): LogPointer {
  return {
    segment: n,
    offset: version,
    length: (n * 31 + version * 17) >>> 0,
    sequence: version * 2 ** 16 + n,
  };
}

function check(n: number, found: LogPointer): void {
  const right = pointerOf(n, found.offset);
  if (
    found.segment !== n || found.length !== right.length ||
    found.sequence !== right.sequence
  ) {
    throw new Error(`Key ${n} has the pointer ${JSON.stringify(found)}`);
  }
}

/** Waits until each reader has read something, or one of them has failed. */
function awaitReaders({ flags, readers }: IndexTask): void {
  const endMs = performance.now() + DEADLINE_MS;
  for (let begun = 0; begun < readers; begun = Atomics.load(flags, 1)) {
    if (Atomics.load(flags, 0) === 1) return;
    if (performance.now() > endMs) {
      throw new Error(`Waited for ${readers - begun} readers to read`);
    }
    Atomics.wait(flags, 1, begun, 100);
  }
}

function write(map: Keydir, task: IndexTask): IndexReport {
  const random = new Random(task.seed);
  const previous = emptyPointer();
  let maxUsedBytes = 0;
  let earlyTopWords = 0;
  const half = task.keys >>> 1;
  awaitReaders(task);
  for (let change = 1; change <= task.changes; change++) {
    const n = task.role === "write"
      ? random.below(task.keys)
      : change % half * 2 + 1;
    const key = keyOf(n);
    // Versions go up over the whole run, and start behind those of the test.
    const version = change + 1;
    if (n % 2 === 0) {
      if (!map.set(key, pointerOf(n, version), previous)) {
        throw new Error(`Key ${n} was not there`);
      }
      check(n, previous);
    } else if (map.remove(key, previous)) {
      check(n, previous);
    } else {
      map.set(key, pointerOf(n, version));
    }
    if (change * 10 <= task.changes) earlyTopWords = map.arena.topWords;
    if (change % 1_000 === 0) {
      maxUsedBytes = Math.max(maxUsedBytes, map.usedBytes);
    }
  }
  Atomics.store(task.flags, 0, 1);
  return {
    changes: task.changes,
    lookups: 0,
    pages: 0,
    maxUsedBytes,
    topWords: [earlyTopWords, map.arena.topWords],
  };
}

function read(map: Keydir, task: IndexTask): IndexReport {
  const { keys, flags } = task;
  const random = new Random(task.seed);
  const found = emptyPointer();
  const versions = new Float64Array(keys);
  let lookups = 0;
  let pages = 0;
  const see = (n: number, pointer: LogPointer) => {
    check(n, pointer);
    if (pointer.offset < versions[n]) {
      throw new Error(
        `Key ${n} went back from version ${versions[n]} to ${pointer.offset}`,
      );
    }
    versions[n] = pointer.offset;
  };
  while (Atomics.load(flags, 0) === 0) {
    for (let i = 0; i < 50; i++, lookups++) {
      const n = random.below(keys);
      if (map.get(keyOf(n), found)) see(n, found);
      else if (n % 2 === 0) throw new Error(`Key ${n} was missed`);
    }
    const limit = 1 + random.below(60);
    const from = random.below(keys);
    const inclusive = random.below(2) === 0;
    const whole = random.below(10) === 0;
    const page = map.page(
      limit,
      whole ? {} : { [inclusive ? "start" : "after"]: keyOf(from) },
    );
    let last = whole ? -1 : inclusive ? from - 1 : from;
    for (const { key, pointer } of page) {
      const n = parseInt(text(key));
      if (text(key) !== text(keyOf(n))) throw new Error(`Odd key ${text(key)}`);
      if (n <= last) throw new Error(`Key ${n} came after ${last}`);
      // Between two neighbours there may only be keys that come and go.
      if (n > last + 2 || n === last + 2 && last % 2 !== 0) {
        throw new Error(`No key between ${last} and ${n}`);
      }
      see(n, pointer);
      last = n;
    }
    // The last number that is even is there all the while.
    if (page.length < limit && last < keys - 1 - (keys - 1) % 2) {
      throw new Error(`The page ended after ${last} of ${keys} keys`);
    }
    checkBackwards(map, random, keys, limit, see);
    if (++pages > 1) continue;
    Atomics.add(flags, 1, 1);
    Atomics.notify(flags, 1);
  }
  return { changes: 0, lookups, pages, maxUsedBytes: 0, topWords: [0, 0] };
}

/** Reads a page backwards, in which only keys may lack that come and go. */
function checkBackwards(
  map: Keydir,
  random: Random,
  keys: number,
  limit: number,
  see: (n: number, pointer: LogPointer) => void,
): void {
  const whole = random.below(10) === 0;
  const before = whole ? keys : random.below(keys);
  const page = map.pageBackwards(limit, whole ? {} : { end: keyOf(before) });
  let last = before;
  for (const { key, pointer } of page) {
    const n = parseInt(text(key));
    if (text(key) !== text(keyOf(n))) throw new Error(`Odd key ${text(key)}`);
    if (n >= last) throw new Error(`Key ${n} came before ${last}`);
    if (n < last - 2 || n === last - 2 && last % 2 !== 0) {
      throw new Error(`No key between ${n} and ${last}`);
    }
    see(n, pointer);
    last = n;
  }
  if (page.length < limit && last > 0) {
    throw new Error(`The page ended at ${last}`);
  }
}

self.onmessage = ({ data }: MessageEvent<IndexTask>) => {
  const map = Keydir.attach(data.buffer);
  self.postMessage(data.role === "read" ? read(map, data) : write(map, data));
  map.detach();
};
