/**
 * Hint files: for each sealed segment its keys and where their records lie, so
 * that opening a store need not read the values.
 *
 * A hint file `<id>.hint` is, in little-endian numbers:
 *
 * ```text
 * offset  size  field
 *      0     8  the magic `KVSHNT`, the format version in two bytes
 *      8     4  CRC-32 of everything after it
 *     12     4  the segment's file id
 *     16     4  the segment's size in bytes
 *     20     4  the number of entries
 *     24        the entries, in key order
 * ```
 *
 * one for each record, dead ones and tombstones included, as
 * `hint_entries.ts` has them.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { openIfExists, removeIfExists, writeFileAtomic } from "../../files.ts";
import { FileWindow, WINDOW_BYTES } from "./file_window.ts";
import { HintEntries, type HintVisitor, visitEntries } from "./hint_entries.ts";
import { getUint32, putUint32 } from "./record.ts";
import { type ScanResult, scanSegment, segmentPath } from "./segment.ts";

const MAGIC = new TextEncoder().encode("KVSHNT\x01\x00");
const HEADER_BYTES = 24;

/** The name of a segment's hint file. */
export function hintName(id: number): string {
  return `${id}.hint`;
}

/** The segment whose hint file has a name; `undefined` for other files. */
export function hintedSegment(name: string): number | undefined {
  const match = /^([1-9][0-9]{0,9})\.hint$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** The path of a segment's hint file. */
export function hintPath(directory: string, id: number): string {
  return `${directory}/${hintName(id)}`;
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
 * @param sequenceBefore See {@linkcode ScanStart}.
 * @returns The hint, of the sound records only, and the state of the segment.
 */
export function buildHint(
  directory: string,
  id: number,
  sequenceBefore = 0,
): { scan: ScanResult; hint: Uint8Array } {
  const path = segmentPath(directory, id);
  const entries = new HintEntries(Deno.statSync(path).size);
  const scan = scanSegment(
    path,
    id,
    (header, offset, record, sound) => {
      if (sound) entries.add(header, offset, record);
    },
    { sequenceBefore },
  );
  const hint = new Uint8Array(HEADER_BYTES + entries.sizeBytes);
  hint.set(MAGIC);
  putUint32(hint, 12, id);
  putUint32(hint, 16, scan.sizeBytes);
  putUint32(hint, 20, entries.count);
  entries.writeSorted(hint, HEADER_BYTES);
  putUint32(hint, 8, crc32(hint.subarray(12)));
  return { scan, hint };
}

/**
 * Reads a segment's hint file.
 *
 * @param directory The data directory.
 * @param id The segment's file id.
 * @param sizeBytes The segment's size: a hint for another size is no use.
 * @param visit Called for each record; not at all if the hint can't be used.
 * @returns Whether there was a hint for this segment, and it was sound.
 */
export function readHint(
  directory: string,
  id: number,
  sizeBytes: number,
  visit: HintVisitor,
): boolean {
  using file = openIfExists(hintPath(directory, id));
  if (file === undefined) return false;
  const hintBytes = file.statSync().size;
  const window = new FileWindow(file, hintBytes);
  if (!isSoundHint(window, hintBytes, id, sizeBytes)) return false;
  visitEntries(window, { from: HEADER_BYTES, to: hintBytes }, id, visit);
  return true;
}

/**
 * Tells how long a segment was when its hint file was made.
 *
 * @param directory The data directory.
 * @param id The segment's file id.
 * @returns Its size in bytes, or `undefined` where no sound hint tells.
 */
export function hintedBytes(directory: string, id: number): number | undefined {
  using file = openIfExists(hintPath(directory, id));
  if (file === undefined) return undefined;
  const hintBytes = file.statSync().size;
  const window = new FileWindow(file, hintBytes);
  const header = window.at(0, HEADER_BYTES);
  if (header === undefined) return undefined;
  const sizeBytes = getUint32(header, 16);
  return isSoundHint(window, hintBytes, id, sizeBytes) ? sizeBytes : undefined;
}

/** The number of entries in a hint. */
export function entryCount(hint: Uint8Array): number {
  return getUint32(hint, 20);
}

/** Whether a hint file is whole, and of this segment at this size. */
function isSoundHint(
  window: FileWindow,
  hintBytes: number,
  id: number,
  sizeBytes: number,
): boolean {
  const header = window.at(0, HEADER_BYTES);
  if (
    header === undefined || !MAGIC.every((byte, i) => header[i] === byte) ||
    getUint32(header, 12) !== id || getUint32(header, 16) !== sizeBytes
  ) return false;
  const expected = getUint32(header, 8);
  let actual = 0;
  for (let at = 12; at < hintBytes; at += WINDOW_BYTES) {
    const length = Math.min(WINDOW_BYTES, hintBytes - at);
    actual = crc32(window.at(at, length)!, actual);
  }
  return actual === expected;
}

/** Removes a segment's hint file, if there is one. */
export function removeHint(directory: string, id: number): void {
  removeIfExists(hintPath(directory, id));
}
