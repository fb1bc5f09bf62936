/**
 * Hint files: for each sealed segment its keys and where their records lie, so
 * that opening a store need not read the values.
 *
 * A hint file `<id>.hint` is, in little-endian numbers:
 *
 * ```text
 * offset  size  field
 *      0     8  the magic `KVSHNT`, the format version in two bytes
 *      8     4  CRC-32 of everything behind it
 *     12     4  the segment's file id
 *     16     4  the segment's size in bytes
 *     20     4  the number of entries
 *     24        the entries, in key order
 * ```
 *
 * and an entry, one for each record, dead ones and tombstones included:
 *
 * ```text
 *      0     4  where the record begins in the segment
 *      4     4  the record's length in bytes
 *      8     6  the record's sequence number
 *     14     2  1 for a tombstone, else 0
 *     16     4  key length in bytes
 *     20        key
 * ```
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { removeIfExists, writeFileAtomic } from "../files.ts";
import type { IndexLoader } from "./index_loader.ts";
import { getUint32, putUint32, RECORD_HEADER_BYTES } from "./record.ts";
import {
  type RecordVisitor,
  type ScanResult,
  scanSegment,
  segmentPath,
} from "./segment.ts";

const MAGIC = new TextEncoder().encode("KVSHNT\x01\x00");
const HEADER_BYTES = 24;
const ENTRY_BYTES = 20;

/** The path of a segment's hint file. */
export function hintPath(directory: string, id: number): string {
  return `${directory}/${id}.hint`;
}

/**
 * Writes the hint file of a sealed segment.
 *
 * @param directory The data directory.
 * @param id The segment's file id.
 * @returns Whether it was written: a segment that is not sound gets none, so
 * that each opening reads it and reports what is wrong.
 */
export function writeHint(directory: string, id: number): boolean {
  const { scan, hint } = buildHint(directory, id);
  if (scan.damage.length > 0 || scan.tailOffset < scan.sizeBytes) return false;
  writeFileAtomic(hintPath(directory, id), hint);
  return true;
}

/**
 * Reads a segment and makes the content of its hint file.
 *
 * @param directory The data directory.
 * @param id The segment's file id.
 * @returns The hint, of the sound records only, and the state of the segment.
 */
export function buildHint(
  directory: string,
  id: number,
): { scan: ScanResult; hint: Uint8Array } {
  let entries = new Uint8Array(1 << 20);
  let end = 0;
  const starts: number[] = [];
  const visit: RecordVisitor = (header, offset, record, sound) => {
    if (!sound) return;
    const length = ENTRY_BYTES + header.keyLength;
    if (end + length > entries.length) {
      const grown = new Uint8Array((end + length) * 2);
      grown.set(entries.subarray(0, end));
      entries = grown;
    }
    putUint32(entries, end, offset);
    putUint32(entries, end + 4, record.length);
    entries.set(record.subarray(4, 10), end + 8);
    entries[end + 14] = header.tombstone ? 1 : 0;
    entries[end + 15] = 0;
    putUint32(entries, end + 16, header.keyLength);
    const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
    entries.set(
      record.subarray(RECORD_HEADER_BYTES, keyEnd),
      end + ENTRY_BYTES,
    );
    starts.push(end);
    end += length;
  };
  const scan = scanSegment(segmentPath(directory, id), id, visit);
  const hint = new Uint8Array(HEADER_BYTES + end);
  hint.set(MAGIC);
  putUint32(hint, 12, id);
  putUint32(hint, 16, scan.sizeBytes);
  putUint32(hint, 20, starts.length);
  let at = HEADER_BYTES;
  for (const start of Uint32Array.from(starts).sort(byKeyIn(entries))) {
    const length = ENTRY_BYTES + getUint32(entries, start + 16);
    hint.set(entries.subarray(start, start + length), at);
    at += length;
  }
  putUint32(hint, 8, crc32(hint.subarray(12)));
  return { scan, hint };
}

/**
 * Loads a segment's records into the index from its hint file.
 *
 * @param directory The data directory.
 * @param id The segment's file id.
 * @param sizeBytes The segment's size: a hint for another size is no use.
 * @param loader Where the records go; untouched if the hint can't be used.
 * @returns Whether there was a hint for this segment, and it was sound.
 */
export function loadHint(
  directory: string,
  id: number,
  sizeBytes: number,
  loader: IndexLoader,
): boolean {
  const hint = readSoundHint(directory, id, sizeBytes);
  if (hint === undefined) return false;
  for (let at = HEADER_BYTES; at < hint.length;) {
    const keyEnd = at + ENTRY_BYTES + getUint32(hint, at + 16);
    loader.add(
      hint.subarray(at + ENTRY_BYTES, keyEnd),
      id,
      getUint32(hint, at),
      getUint32(hint, at + 4),
      getUint32(hint, at + 8) +
        (hint[at + 12] | hint[at + 13] << 8) * 2 ** 32,
      hint[at + 14] === 1,
      true,
    );
    at = keyEnd;
  }
  return true;
}

/** The number of entries in a hint. */
export function entryCount(hint: Uint8Array): number {
  return getUint32(hint, 20);
}

/**
 * Reads a hint file and checks it.
 *
 * @returns Its bytes, or `undefined` where it is not there, not sound or not
 * of this segment.
 */
function readSoundHint(
  directory: string,
  id: number,
  sizeBytes: number,
): Uint8Array | undefined {
  let hint: Uint8Array;
  try {
    hint = Deno.readFileSync(hintPath(directory, id));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const sound = hint.length >= HEADER_BYTES &&
    MAGIC.every((byte, i) => hint[i] === byte) &&
    getUint32(hint, 8) === crc32(hint.subarray(12)) &&
    getUint32(hint, 12) === id && getUint32(hint, 16) === sizeBytes;
  return sound ? hint : undefined;
}

/** Removes a segment's hint file, if there is one. */
export function removeHint(directory: string, id: number): void {
  removeIfExists(hintPath(directory, id));
}

/** Orders entries, given by where they start in `bytes`, by their keys. */
function byKeyIn(bytes: Uint8Array): (a: number, b: number) => number {
  return (a, b) => {
    const aLength = getUint32(bytes, a + 16);
    const bLength = getUint32(bytes, b + 16);
    const common = Math.min(aLength, bLength);
    for (let i = ENTRY_BYTES; i < ENTRY_BYTES + common; i++) {
      const order = bytes[a + i] - bytes[b + i];
      if (order !== 0) return order;
    }
    return aLength - bLength;
  };
}
