/**
 * Reading a range of the store in the order of its keys.
 *
 * @module
 */

import type { ScanEntry, ScanPage, ScanRange } from "../engine.ts";
import { boundsOf } from "../scan.ts";
import type { LogPointer } from "./log_pointer.ts";
import { RECORD_HEADER_BYTES } from "./record.ts";
import type { SkipMap } from "./skip_map.ts";

/** Index entries taken at a time: it bounds how long memory is held up. */
const INDEX_PAGE = 256;

/**
 * Reads a page of entries, without a lock.
 *
 * @param index The index.
 * @param range Which entries, and how many.
 * @param read Reads the value of a key whose record was there a moment ago;
 * `undefined` where the key has been removed since.
 * @returns The page.
 * @throws {RangeError} If a bound on entries or bytes is less than 1.
 */
export function scanIndex(
  index: SkipMap,
  range: ScanRange,
  read: (key: Uint8Array, pointer: LogPointer) => Uint8Array | undefined,
): ScanPage {
  const { start, end, reverse, keysOnly, limit, maxBytes } = boundsOf(range);
  const entries: ScanEntry[] = [];
  let last: Uint8Array | undefined;
  let bytes = 0;
  for (;;) {
    const wanted = Math.min(INDEX_PAGE, limit - entries.length);
    const found = reverse
      ? index.pageBackwards(last ?? end, wanted, start)
      : index.page(last ?? start, last === undefined, wanted, end);
    for (const { key, pointer } of found) {
      bytes += keysOnly ? key.length : pointer.length - RECORD_HEADER_BYTES;
      if (bytes > maxBytes && entries.length > 0) {
        return { entries, more: true };
      }
      const value = keysOnly ? undefined : read(key, pointer);
      if (keysOnly || value !== undefined) entries.push({ key, value });
    }
    if (found.length < wanted) return { entries, more: false };
    if (entries.length >= limit) return { entries, more: true };
    last = found[found.length - 1].key;
  }
}
