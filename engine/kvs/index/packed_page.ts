/**
 * Pages of entries on their way from one Worker to another.
 *
 * @module
 */

import type { ScanEntry, ScanPage } from "../../engine.ts";

/** In place of a value's length: the value is left out. */
const NO_VALUE = 0xffff_ffff;

/** A page in two pieces of memory: to give away many would take longer. */
export interface PackedPage {
  /** For each entry the lengths of key and value, in bytes. */
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Keys and values, one behind the other. */
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
