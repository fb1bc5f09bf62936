/**
 * Pages: a range of the store in the order of its keys, and how pages travel
 * between Workers.
 *
 * @module
 */

import type { ScanEntry, ScanPage, ScanRange } from "../../engine.ts";
import { boundsOf, type ScanBounds } from "../../scan.ts";
import { RECORD_HEADER_BYTES } from "../log/record.ts";
import type { RecordCache } from "./record_cache.ts";
import type { Entry } from "../index/entries.ts";
import type { Keydir } from "../index/keydir.ts";

/** Index entries taken at a time: it bounds how long memory is held up. */
const INDEX_PAGE = 256;

/**
 * Reads a page of entries, without a lock.
 *
 * @param index The index.
 * @param range Which entries, and how many.
 * @param cache Where records are read.
 * @param lookUp Reads the value of a key whose record was there a moment ago,
 * in a segment that is gone; `undefined` where the key has been removed since.
 * @returns The page.
 * @throws {RangeError} If a bound on entries or bytes is less than 1.
 */
export function scanIndex(
  index: Keydir,
  range: ScanRange,
  cache: RecordCache,
  lookUp: (key: Uint8Array) => Uint8Array | undefined = () => undefined,
): ScanPage {
  const bounds = boundsOf(range);
  let last: Uint8Array | undefined;
  for (;;) {
    const { found, more } = findEntries(index, bounds, last);
    const entries = bounds.keysOnly
      ? found.map(({ key }) => ({ key, value: undefined }))
      : withValues(found, cache, lookUp);
    // A page without entries would be the last.
    if (entries.length > 0 || !more) return { entries, more };
    last = found[found.length - 1].key;
  }
}

function withValues(
  found: readonly Entry[],
  cache: RecordCache,
  lookUp: (key: Uint8Array) => Uint8Array | undefined,
): ScanEntry[] {
  const values = cache.readValues(found);
  const entries: ScanEntry[] = [];
  for (let i = 0; i < found.length; i++) {
    const { key } = found[i];
    const value = values[i] ?? lookUp(key);
    if (value !== undefined) entries.push({ key, value });
  }
  return entries;
}

/** A page as the index has it, after a key if there is one. */
function findEntries(
  index: Keydir,
  { start, end, reverse, keysOnly, limit, maxBytes }: ScanBounds,
  after: Uint8Array | undefined,
): { found: Entry[]; more: boolean } {
  const found: Entry[] = [];
  let last = after;
  let bytes = 0;
  for (;;) {
    const wanted = Math.min(INDEX_PAGE, limit - found.length);
    const entries = reverse
      ? index.pageBackwards(wanted, { start, end: last ?? end })
      : index.page(wanted, { start, after: last, end });
    for (const entry of entries) {
      const { key, pointer } = entry;
      bytes += keysOnly ? key.length : pointer.length - RECORD_HEADER_BYTES;
      if (bytes > maxBytes && found.length > 0) return { found, more: true };
      found.push(entry);
    }
    if (entries.length < wanted) return { found, more: false };
    if (found.length >= limit) return { found, more: true };
    last = entries[entries.length - 1].key;
  }
}

/** In place of a value's length: the value is left out. */
const NO_VALUE = 0xffff_ffff;

/** A page in two pieces of memory: to give away many would take longer. */
export interface PackedPage {
  /** For each entry the lengths of key and value, in bytes. */
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Keys and values, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** See {@linkcode ScanPage.more}. */
  readonly more: boolean;
}

/**
 * Packs a page.
 *
 * @param page The page.
 * @returns The same, in memory of its own that can be given away.
 */
export function packPage({ entries, more }: ScanPage): PackedPage {
  const lengths = new Uint32Array(entries.length * 2);
  let sizeBytes = 0;
  entries.forEach(({ key, value }, i) => {
    lengths[i * 2] = key.length;
    lengths[i * 2 + 1] = value?.length ?? NO_VALUE;
    sizeBytes += key.length + (value?.length ?? 0);
  });
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const { key, value } of entries) {
    bytes.set(key, at);
    at += key.length;
    if (value === undefined) continue;
    bytes.set(value, at);
    at += value.length;
  }
  return { lengths, bytes, more };
}

/**
 * Unpacks a page.
 *
 * @param page What {@linkcode packPage} made.
 * @returns The page; its keys and values share memory.
 */
export function unpackPage({ lengths, bytes, more }: PackedPage): ScanPage {
  const entries: ScanEntry[] = [];
  let at = 0;
  for (let i = 0; i < lengths.length; i += 2) {
    const key = bytes.subarray(at, at += lengths[i]);
    const value = lengths[i + 1] === NO_VALUE
      ? undefined
      : bytes.subarray(at, at += lengths[i + 1]);
    entries.push({ key, value });
  }
  return { entries, more };
}
