/**
 * Going through the entries of a store in the order of their keys.
 *
 * @module
 */

import type { KvsEngine, ScanEntry, ScanRange } from "./engine.ts";

const DEFAULT_LIMIT = 1_000;
const DEFAULT_MAX_BYTES = 2 ** 20;

/** A {@linkcode ScanRange}, worked out. */
export interface ScanBounds {
  /** The least key that counts; `undefined` where all from the first do. */
  readonly start: Uint8Array | undefined;
  /** The least key above that does not; `undefined` where all do. */
  readonly end: Uint8Array | undefined;
  readonly reverse: boolean;
  readonly keysOnly: boolean;
  readonly limit: number;
  readonly maxBytes: number;
}

/**
 * Works out the bounds of a page, for engines.
 *
 * @param range The range.
 * @returns Its bounds; where `start` is not less than `end` there is nothing
 * between them.
 * @throws {RangeError} If a bound on entries or bytes is no number from 1.
 */
export function boundsOf(range: ScanRange): ScanBounds {
  const {
    prefix,
    after,
    reverse = false,
    keysOnly = false,
    limit = DEFAULT_LIMIT,
    maxBytes = DEFAULT_MAX_BYTES,
  } = range;
  checkCount("entries", limit);
  checkCount("bytes", maxBytes);
  let { start, end } = range;
  if (prefix !== undefined) {
    start = greater(start, prefix);
    end = lesser(end, behindPrefix(prefix));
  }
  if (after !== undefined) {
    if (reverse) end = lesser(end, after);
    else start = greater(start, behindKey(after));
  }
  return { start, end, reverse, keysOnly, limit, maxBytes };
}

/**
 * Goes through the entries of a range, page by page; what a page promises of
 * keys that come and go holds for the whole.
 *
 * @param engine The store, or a snapshot of it.
 * @param range Which entries; all by default. Its `limit` is for the whole,
 * its `maxBytes` for each page.
 * @returns The entries in the order of their keys.
 * @throws {RangeError} If a bound on entries or bytes is no number from 1.
 *
 * @example
 * ```ts
 * import { KvStore, scanEntries } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await store.set("user/1", "Ada");
 * await store.set("user/2", "Grace");
 * const found: string[] = [];
 * const prefix = new TextEncoder().encode("user/");
 * for await (const { value } of scanEntries(store, { prefix })) {
 *   found.push(new TextDecoder().decode(value));
 * }
 * assertEquals(found, ["Ada", "Grace"]);
 * ```
 */
export async function* scanEntries(
  engine: Pick<KvsEngine, "scan">,
  range: ScanRange = {},
): AsyncGenerator<ScanEntry, void> {
  for await (const page of scanPages(engine, range)) yield* page;
}

/**
 * Does as {@linkcode scanEntries}, and gives each page as it is: for those
 * who are in a hurry.
 *
 * @param engine The store.
 * @param range As for {@linkcode scanEntries}.
 * @param pageLimit The most entries of a page, at least 1.
 * @returns The pages, none of them empty.
 * @throws {RangeError} If a bound on entries or bytes is no number from 1.
 */
export async function* scanPages(
  engine: Pick<KvsEngine, "scan">,
  range: ScanRange = {},
  pageLimit = DEFAULT_LIMIT,
): AsyncGenerator<readonly ScanEntry[], void> {
  let left = range.limit ?? Infinity;
  let after = range.after;
  for (let more = true; more;) {
    const limit = left > pageLimit ? pageLimit : left;
    const page = await engine.scan({ ...range, after, limit });
    const { entries } = page;
    if (entries.length === 0) return;
    yield entries;
    after = entries[entries.length - 1].key;
    left -= entries.length;
    more = page.more && left > 0;
  }
}

function checkCount(what: string, count: number): void {
  if (count === Infinity || Number.isInteger(count) && count >= 1) return;
  throw new RangeError(
    `Cannot scan ${count} ${what}: expected a whole number from 1`,
  );
}

function greater(
  a: Uint8Array | undefined,
  b: Uint8Array,
): Uint8Array {
  return a !== undefined && compareKeys(a, b) > 0 ? a : b;
}

function lesser(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareKeys(a, b) < 0 ? a : b;
}

/** The least key greater than a key. */
function behindKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The least key greater than all with a prefix, if there is one. */
function behindPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const next = prefix.slice(0, length);
  next[length - 1]++;
  return next;
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}
