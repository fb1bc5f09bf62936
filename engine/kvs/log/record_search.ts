/**
 * Finding records in a file that may be damaged.
 *
 * @module
 */

import type { FileWindow } from "./file_window.ts";
import {
  decodeRecordHeader,
  isRecordSound,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./record.ts";

/** How much of a segment is looked at for zeros at a time, in bytes. */
const ZEROS_BYTES = 1 << 20;

/**
 * How many bytes a scan may check in search of the next sound record: seconds.
 * Each place that looks like a record has to be checked, and a value can be
 * made of nothing else.
 */
const MAX_SEARCH_BYTES = 2 ** 34;

/** The bytes of a record that fits in the file, or `undefined`. */
export function recordAt(
  window: FileWindow,
  offset: number,
  header: RecordHeader,
): Uint8Array | undefined {
  const head = window.at(offset, RECORD_HEADER_BYTES);
  if (head === undefined) return undefined;
  const length = decodeRecordHeader(head, 0, header);
  // A tombstone has no value, and the kind is 0 or 1: cheap to refuse early.
  if (head[10] > 1 || head[11] !== 0) return undefined;
  if (header.tombstone && header.valueLength !== 0) return undefined;
  return window.at(offset, length);
}

export function isSoundAt(
  window: FileWindow,
  offset: number,
  header: RecordHeader,
): boolean {
  const record = recordAt(window, offset, header);
  return record !== undefined && isRecordSound(record);
}

/** Where a scan goes on, and why; no reason where nothing is left to find. */
interface Resumption {
  readonly at: number;
  readonly reason?: string;
}

/** Whether a record can be where it was found, as its sequence number goes. */
export type Plausibility = "yes" | "no" | "if records follow to the end";

/**
 * Finds the first place from `offset` on where a sound record begins that fits
 * there, unless that would take too long.
 *
 * @param judge Says whether a sound record fits.
 */
export function findSound(
  window: FileWindow,
  offset: number,
  sizeBytes: number,
  judge: (header: RecordHeader, at: number) => Plausibility,
): Resumption {
  const header = {} as RecordHeader;
  let checkedBytes = 0;
  let misfits = 0;
  for (let at = offset; at + RECORD_HEADER_BYTES <= sizeBytes;) {
    const record = recordAt(window, at, header);
    checkedBytes += record?.length ?? 0;
    let next = at + 1;
    if (record !== undefined && isRecordSound(record)) {
      let judgement = judge(header, at);
      if (judgement === "if records follow to the end") {
        const end = endOfRecords(window, at, sizeBytes);
        if (end === sizeBytes) judgement = "yes";
        // The records up to there would come to the same.
        else next = end;
      }
      if (judgement === "yes") return { at, reason: "bytes are no record" };
      misfits++;
    }
    at = next;
    if (checkedBytes > MAX_SEARCH_BYTES) {
      return { at: sizeBytes, reason: "no record found in what follows" };
    }
  }
  if (misfits === 0) return { at: sizeBytes };
  // They may be records all the same, so they must not be cut off.
  const reason = "no record that fits found in what follows";
  return { at: sizeBytes, reason };
}

/** Where the records end that lie back to back from a place on. */
function endOfRecords(
  window: FileWindow,
  from: number,
  sizeBytes: number,
): number {
  let at = from;
  while (at < sizeBytes) {
    const end = endOfRecord(window, at, sizeBytes);
    if (end === undefined) break;
    at = end;
  }
  return at;
}

/** Where a record ends that is sound or leads to one or to the file's end. */
function endOfRecord(
  window: FileWindow,
  at: number,
  sizeBytes: number,
): number | undefined {
  const header = {} as RecordHeader;
  const record = recordAt(window, at, header);
  if (record === undefined) return undefined;
  const end = at + record.length;
  const isRecord = isRecordSound(record) || end === sizeBytes ||
    isSoundAt(window, end, header);
  return isRecord ? end : undefined;
}

/** Whether a record is there that ends with the file or with another one. */
export function isFollowed(
  window: FileWindow,
  at: number,
  sizeBytes: number,
): boolean {
  const end = endOfRecord(window, at, sizeBytes);
  if (end === undefined) return false;
  return end === sizeBytes || endOfRecord(window, end, sizeBytes) !== undefined;
}

/** Whether a file ends in nothing but zeros: space that was never written. */
export function isZero(window: FileWindow, from: number, to: number): boolean {
  for (let at = from; at < to; at += ZEROS_BYTES) {
    const bytes = window.at(at, Math.min(ZEROS_BYTES, to - at))!;
    if (bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}
