/**
 * Stores with damaged files, and what may come of them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { CorruptionError } from "../../../engine/errors.ts";
import { segmentPath } from "../../../engine/kvs/log/segment.ts";
import { PointReader } from "../../../engine/kvs/store/point_reader.ts";
import { SegmentReaders } from "../../../engine/kvs/log/segment_readers.ts";
import { FaultyDisk } from "./_fault_injection.ts";
import {
  bytes,
  copyDirectory,
  MEMORY,
  TempDirectory,
  text,
} from "./_helpers.ts";
import { type KeyValue, TempStore, TestStore } from "./_test_store.ts";

/** So that a handful of records makes several segments. */
export const SMALL = { segmentBytes: 150, indexBytes: 2 ** 18 };

/** Every value that a key ever had; `undefined` where it was not there. */
export type History = Map<string, (string | undefined)[]>;

/** Writes a log one by one, and tells what each key was in the course of it. */
export function writeAll(
  store: TestStore,
  writes: readonly KeyValue[],
): History {
  const history: History = new Map();
  for (const [key, value] of writes) {
    store.write([key, value]);
    history.set(key, [...history.get(key) ?? [undefined], value]);
  }
  return history;
}

export const WRITES: readonly KeyValue[] = [
  ["apple", "red"],
  ["pear", "green"],
  ["fig", ""],
  ["apple", "yellow"],
  ["plum", "blue"],
  ["pear"],
  ["", "no key"],
  ["fig"],
  ["fig", "brown"],
  ["apple", "rotten"],
];

/** What a look-up of a damaged store comes to. */
export function look(
  store: TestStore,
  key: string,
): string | undefined | CorruptionError {
  const found = lookBytes(store, bytes(key));
  return found instanceof Uint8Array ? text(found) : found;
}

/** Does as {@linkcode look} with a key that need not be text. */
export function lookBytes(
  store: TestStore,
  key: Uint8Array,
): Uint8Array | undefined | CorruptionError {
  const files = new SegmentReaders(store.directory);
  try {
    return new PointReader(store.directory, store.index, 0, files).view(key);
  } catch (error) {
    if (error instanceof CorruptionError) return error;
    throw error;
  } finally {
    files.close();
  }
}

/**
 * Checks a store with damaged files: no key has a value it never had, nor is
 * an older one passed off as the present one in silence.
 */
export function assertNoLies(
  store: TestStore,
  history: History,
  what: string,
  isReported = store.damage.length > 0,
): void {
  for (const [key, values] of history) {
    const found = look(store, key);
    if (found instanceof CorruptionError) continue;
    if (found === values[values.length - 1]) continue;
    assert(
      values.includes(found),
      `${what}: key ${key} is ${found}, which it never was`,
    );
    assert(
      isReported,
      `${what}: key ${key} is ${found} and nothing was reported`,
    );
  }
}

/**
 * Flips each bit of a file in turn, or one in so many: a stride of 5 or 3 comes
 * to each byte, and to each place in a byte.
 */
export function forEachFlip(
  path: string,
  check: (what: string) => void,
  stride = 1,
): void {
  const content = Deno.readFileSync(path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  for (let bit = 0; bit < content.length * 8; bit += stride) {
    const flipped = content.slice();
    flipped[bit >>> 3] ^= 1 << (bit & 7);
    Deno.writeFileSync(path, flipped);
    check(`${name}, byte ${bit >>> 3}, bit ${bit & 7}`);
  }
  Deno.writeFileSync(path, content);
}

/**
 * Checks that a flipped bit in a log is noticed and changes no value.
 *
 * @param stride See {@linkcode forEachFlip}.
 */
export function flipBitsOfLog(stride: number): void {
  using store = new TempStore(SMALL);
  const history = writeAll(store, WRITES);
  assert(store.ids.length >= 3);
  for (const id of store.ids) {
    using directory = new TempDirectory(MEMORY);
    using _disk = new FaultyDisk(directory.path);
    copyDirectory(store.directory, directory.path);
    const path = segmentPath(directory.path, id);
    const original = Deno.readFileSync(path);
    forEachFlip(path, (what) => {
      using damaged = new TestStore(directory.path, SMALL);
      assertNoLies(damaged, history, what);
      // Each bit of the log means something, so each flip is reported.
      assert(damaged.damage.length > 0, `${what}: nothing was reported`);
      assertEquals(damaged.damage[0].path, path);
      const { offset, length } = damaged.damage[0];
      const byte = Number(/byte (\d+)/.exec(what)![1]);
      assert(offset <= byte && byte < offset + length, what);
      // Opened for writing, it may have been cut.
      Deno.writeFileSync(path, original);
    }, stride);
  }
}
