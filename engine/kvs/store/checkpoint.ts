/**
 * The index checkpoint: the memory of the index as it is, so that opening a
 * store need not build it.
 *
 * The file `INDEX` is, in little-endian numbers: the magic `KVSIDX` and the
 * format version in two bytes, the CRC-32 of everything after it, the number
 * of segments, the number of words of index memory, the last sequence number
 * as a 64-bit float, then a row of seven numbers for each segment, then the
 * words.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import {
  fileExists,
  openIfExists,
  removeIfExists,
  replaceFile,
  writeAll,
} from "../../files.ts";
import { Keydir } from "../index/keydir.ts";
import type { Log } from "../log/log.ts";
import type { Damage } from "../log/segment.ts";
import type { SegmentState } from "../log/segment_table.ts";

/** The name of the checkpoint's file. */
export const CHECKPOINT_NAME = "INDEX";
const MAGIC = new TextEncoder().encode("KVSIDX\x02\x00");
const FORMER_MAGIC = new TextEncoder().encode("KVSIDX\x01\x00");
const HEADER_BYTES = 32;
/** Id, size, dead bytes, dead records, tombstones, least sequence, flags. */
const ROW_FLOATS = 7;

/** The index memory is read and written in pieces of this size, in bytes. */
const PIECE_BYTES = 1 << 20;

/** A larger index would hold up the end of the process for too long. */
const MAX_BYTES = 2 ** 30;

/**
 * Writes a checkpoint of a store that nobody writes to any more.
 *
 * @returns Whether it was written; not where the index is larger than 1 GiB.
 */
export function writeCheckpoint(
  log: Log,
  index: Keydir,
): boolean {
  const { directory } = log;
  const words = index.arena.words.subarray(0, index.arena.topWords);
  if (words.byteLength > MAX_BYTES) return false;
  const segments = log.segments.list();
  const head = new Uint8Array(HEADER_BYTES + segments.length * ROW_FLOATS * 8);
  const view = new DataView(head.buffer);
  head.set(MAGIC);
  view.setUint32(12, segments.length, true);
  view.setUint32(16, words.length, true);
  view.setFloat64(24, log.sequence, true);
  segments.forEach((segment, i) => writeRow(view, i, segment));
  replaceFile(`${directory}/${CHECKPOINT_NAME}`, (file) => {
    writeAll(file, head);
    let crc = crc32(head.subarray(12));
    // The file operations do not take shared memory: copied piece by piece.
    const piece = new Uint8Array(PIECE_BYTES);
    const bytes = new Uint8Array(
      words.buffer,
      words.byteOffset,
      words.byteLength,
    );
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, bytes.length - at);
      const part = piece.subarray(0, length);
      part.set(bytes.subarray(at, at + length));
      crc = crc32(part, crc);
      writeAll(file, part);
    }
    view.setUint32(8, crc, true);
    file.seekSync(0, Deno.SeekMode.Start);
    writeAll(file, head.subarray(0, HEADER_BYTES));
  });
  return true;
}

/**
 * Makes the index and the shared state from a checkpoint.
 *
 * It is used only if every byte is as it was written, and each of its segments
 * is still there and at least as long: what was appended since, and segments
 * that came since, are left to the caller.
 *
 * @param log The log, filled only if the checkpoint is used.
 * @param indexBytes The memory the index may use, in bytes.
 * @param sizeOf The size of the segment with a file id, in bytes; `undefined`
 * where it is not there.
 * @returns The index, or `undefined` where there is no checkpoint to be used.
 */
export function loadCheckpoint(
  log: Log,
  indexBytes: number,
  sizeOf: (id: number) => number | undefined,
): Keydir | undefined {
  using file = openIfExists(`${log.directory}/${CHECKPOINT_NAME}`);
  if (file === undefined) return undefined;
  const head = readPiece(file, new Uint8Array(HEADER_BYTES));
  if (head.length < HEADER_BYTES) return undefined;
  if (!MAGIC.every((byte, i) => head[i] === byte)) return undefined;
  const view = new DataView(head.buffer);
  const rowsBytes = view.getUint32(12, true) * ROW_FLOATS * 8;
  const wordsBytes = view.getUint32(16, true) * 4;
  const sizeBytes = file.statSync().size;
  if (sizeBytes !== HEADER_BYTES + rowsBytes + wordsBytes) return undefined;
  const rows = readPiece(file, new Uint8Array(rowsBytes));
  const segments = readRows(rows);
  const isThere = ({ id, sizeBytes }: SegmentState) =>
    (sizeOf(id) ?? -1) >= sizeBytes;
  if (!segments.every(isThere)) return undefined;
  let crc = crc32(rows, crc32(head.subarray(12)));
  const index = Keydir.restore(indexBytes, wordsBytes, (into) => {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let at = 0; at < wordsBytes;) {
      const part = readPiece(file, piece.subarray(0, wordsBytes - at));
      if (part.length === 0) return false;
      crc = crc32(part, crc);
      into.set(part, at);
      at += part.length;
    }
    return crc === view.getUint32(8, true);
  });
  if (index === undefined) return undefined;
  log.sequence = view.getFloat64(24, true);
  for (const segment of segments) log.segments.restore(segment);
  return index;
}

/** Whether a checkpoint is there, sound or not. */
export function hasCheckpoint(directory: string): boolean {
  return fileExists(`${directory}/${CHECKPOINT_NAME}`);
}

/** What does not match its checksum: the whole of a checkpoint, or nothing. */
export function checkpointDamage(directory: string): Damage[] {
  if (!hasCheckpoint(directory)) return [];
  const path = `${directory}/${CHECKPOINT_NAME}`;
  using file = Deno.openSync(path);
  const length = file.statSync().size;
  const head = readPiece(file, new Uint8Array(HEADER_BYTES));
  // Nobody will use it, whatever is in it.
  if (FORMER_MAGIC.every((byte, i) => head[i] === byte)) return [];
  let crc = head.length === HEADER_BYTES ? crc32(head.subarray(12)) : 0;
  const piece = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const part = readPiece(file, piece);
    if (part.length === 0) break;
    crc = crc32(part, crc);
  }
  const sound = head.length === HEADER_BYTES &&
    MAGIC.every((byte, i) => head[i] === byte) &&
    crc === new DataView(head.buffer).getUint32(8, true);
  if (sound) return [];
  const reason = "checkpoint does not match its checksum";
  return [{ path, offset: 0, length, reason }];
}

/** What the checkpoint knows of segments; nothing where it is not sound. */
export function checkpointedSegments(directory: string): SegmentState[] {
  if (!hasCheckpoint(directory) || checkpointDamage(directory).length > 0) {
    return [];
  }
  using file = Deno.openSync(`${directory}/${CHECKPOINT_NAME}`);
  const head = readPiece(file, new Uint8Array(HEADER_BYTES));
  const count = new DataView(head.buffer).getUint32(12, true);
  return readRows(readPiece(file, new Uint8Array(count * ROW_FLOATS * 8)));
}

/** Removes the checkpoint: a segment of it is about to go. */
export function removeCheckpoint(directory: string): void {
  removeIfExists(`${directory}/${CHECKPOINT_NAME}`);
}

function writeRow(view: DataView, row: number, segment: SegmentState): void {
  [
    segment.id,
    segment.sizeBytes,
    segment.deadBytes,
    segment.deadRecords,
    segment.tombstoneBytes,
    segment.minSequence,
    segment.flags,
  ].forEach((value, i) =>
    view.setFloat64(HEADER_BYTES + (row * ROW_FLOATS + i) * 8, value, true)
  );
}

function readRows(bytes: Uint8Array): SegmentState[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments: SegmentState[] = [];
  for (let at = 0; at + ROW_FLOATS * 8 <= bytes.length; at += ROW_FLOATS * 8) {
    const value = (i: number) => view.getFloat64(at + i * 8, true);
    segments.push({
      id: value(0),
      sizeBytes: value(1),
      deadBytes: value(2),
      deadRecords: value(3),
      tombstoneBytes: value(4),
      minSequence: value(5),
      flags: value(6),
    });
  }
  return segments;
}

/** Fills the buffer, or as much of it as the file has. */
function readPiece(file: Deno.FsFile, into: Uint8Array): Uint8Array {
  let read = 0;
  while (read < into.length) {
    const count = file.readSync(into.subarray(read));
    if (count === null) break;
    read += count;
  }
  return into.subarray(0, read);
}
