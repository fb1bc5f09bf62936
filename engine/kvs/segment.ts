/**
 * Segments: the files that the log is made of.
 *
 * A segment `<id>.log` begins with sixteen bytes (the magic `KVSLOG`, the
 * format version in two bytes, the file id, the CRC-32 of those twelve), and
 * then holds records back to back.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { writeAll } from "../files.ts";
import { FileWindow } from "./file_window.ts";
import type { LogPointer } from "./log_pointer.ts";
import {
  decodeRecordHeader,
  isRecordOf,
  isRecordSound,
  putUint32,
  RECORD_HEADER_BYTES,
  type RecordHeader,
} from "./record.ts";

/** Bytes of a segment before its first record. */
export const SEGMENT_HEADER_BYTES = 16;

const MAGIC = new TextEncoder().encode("KVSLOG\x01\x00");

/** How much of a segment is looked at for zeros at a time, in bytes. */
const ZEROS_BYTES = 1 << 20;

/**
 * How many bytes a scan may check in search of the next sound record: seconds.
 * Each place that looks like a record has to be checked, and a value can be
 * made of nothing else.
 */
const MAX_SEARCH_BYTES = 2 ** 34;

/** The path of a segment. */
export function segmentPath(directory: string, id: number): string {
  return `${directory}/${id}.log`;
}

/** The file ids of a directory's segments, ascending. */
export function listSegments(directory: string): number[] {
  const ids: number[] = [];
  for (const { name, isFile } of Deno.readDirSync(directory)) {
    const match = /^([1-9][0-9]{0,9})\.log$/.exec(name);
    const id = Number(match?.[1]);
    if (isFile && id < 2 ** 32) ids.push(id);
  }
  return ids.sort((a, b) => a - b);
}

/**
 * Makes an empty segment, readable by its owner only.
 *
 * @returns The file, open for appending.
 * @throws {Deno.errors.AlreadyExists} If the segment exists.
 */
export function createSegment(directory: string, id: number): Deno.FsFile {
  const path = segmentPath(directory, id);
  const file = Deno.openSync(path, {
    createNew: true,
    append: true,
    mode: 0o600,
  });
  try {
    writeAll(file, segmentHeader(id));
    return file;
  } catch (error) {
    file.close();
    Deno.removeSync(path);
    throw error;
  }
}

function segmentHeader(id: number): Uint8Array {
  const header = new Uint8Array(SEGMENT_HEADER_BYTES);
  header.set(MAGIC);
  putUint32(header, 8, id);
  putUint32(header, 12, crc32(header.subarray(0, 12)));
  return header;
}

/** A stretch of a segment that is not what was written. */
export interface Damage {
  /** The segment's path. */
  readonly path: string;
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** How long it is, in bytes. */
  readonly length: number;
  /** What is wrong with it. */
  readonly reason: string;
}

/** Says in a line what is wrong where. */
export function describeDamage(damage: Damage): string {
  const { path, offset, length, reason } = damage;
  return `${path}: ${length} bytes at offset ${offset}: ${reason}`;
}

/** What {@linkcode scanSegment} found beside the sound records. */
export interface ScanResult {
  /** The file's size in bytes. */
  readonly sizeBytes: number;
  /**
   * Where an unfinished last write begins, or the file's size if there is
   * none: what lies behind it was never acknowledged.
   */
  readonly tailOffset: number;
  /** Records that were once whole and are not sound now. */
  readonly damage: Damage[];
}

/**
 * Called for each record of a segment. The header and the bytes are reused
 * after the call.
 *
 * @param header The record's header.
 * @param offset Where the record begins in the segment.
 * @param bytes The whole record.
 * @param sound Whether it has passed its checksum. One that has not is only
 * shown where its lengths lead exactly to the next record, so that its key can
 * be marked as unreadable rather than fall back to an older value.
 */
export type RecordVisitor = (
  header: RecordHeader,
  offset: number,
  bytes: Uint8Array,
  sound: boolean,
) => void;

/**
 * Reads a segment from end to end and checks every record.
 *
 * @param path The segment's path.
 * @param id The file id its header must have.
 * @param visit Called for each record, in file order.
 * @param from Where to begin, in bytes; the first record by default.
 * @returns The state of the file.
 */
export function scanSegment(
  path: string,
  id: number,
  visit: RecordVisitor,
  from = SEGMENT_HEADER_BYTES,
): ScanResult {
  using file = Deno.openSync(path);
  const sizeBytes = file.statSync().size;
  return scanFile(file, sizeBytes, path, id, visit, from);
}

/**
 * Does as {@linkcode scanSegment} with a segment that is open.
 *
 * @param file The segment.
 * @param sizeBytes How much of it counts, in bytes: whoever writes to it may
 * add more meanwhile.
 * @param path Its path, for the damage.
 * @param id The file id its header must have.
 * @param visit Called for each record, in file order.
 * @param from Where to begin, in bytes.
 * @returns The state of what counts.
 * @throws {FileShrankError} If it is shorter by now.
 */
export function scanFile(
  file: Deno.FsFile,
  sizeBytes: number,
  path: string,
  id: number,
  visit: RecordVisitor,
  from: number,
): ScanResult {
  const window = new FileWindow(file, sizeBytes);
  const damage: Damage[] = [];
  if (sizeBytes < SEGMENT_HEADER_BYTES) {
    return { sizeBytes, tailOffset: 0, damage };
  }
  const expected = segmentHeader(id);
  const found = window.at(0, SEGMENT_HEADER_BYTES)!;
  if (expected.some((byte, i) => byte !== found[i])) {
    damage.push({
      path,
      offset: 0,
      length: SEGMENT_HEADER_BYTES,
      reason: "segment header is not what was written",
    });
  }
  const header = {} as RecordHeader;
  let offset = from;
  while (offset < sizeBytes) {
    const record = recordAt(window, offset, header);
    if (record !== undefined && isRecordSound(record)) {
      visit(header, offset, record, true);
      offset += record.length;
      continue;
    }
    // Where the lengths can be believed, only this record is lost.
    const next = record === undefined ? sizeBytes : offset + record.length;
    const following = {} as RecordHeader;
    const followed = record !== undefined &&
      (next === sizeBytes || isSoundAt(window, next, following));
    if (followed && !isZero(window, offset, sizeBytes)) {
      damage.push({
        path,
        offset,
        length: next - offset,
        reason: "record does not match its checksum",
      });
      visit(header, offset, recordAt(window, offset, header)!, false);
      offset = next;
      continue;
    }
    const resumed = findSound(window, offset + 1, sizeBytes);
    if (resumed === sizeBytes) return { sizeBytes, tailOffset: offset, damage };
    damage.push({
      path,
      offset,
      length: (resumed ?? sizeBytes) - offset,
      reason: resumed === undefined
        ? "no record found in what follows"
        : "bytes are no record",
    });
    offset = resumed ?? sizeBytes;
  }
  return { sizeBytes, tailOffset: sizeBytes, damage };
}

/** The bytes of a record that fits in the file, or `undefined`. */
function recordAt(
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

function isSoundAt(
  window: FileWindow,
  offset: number,
  header: RecordHeader,
): boolean {
  const record = recordAt(window, offset, header);
  return record !== undefined && isRecordSound(record);
}

/**
 * The first place from `offset` on where a sound record begins: `sizeBytes` if
 * there is none, `undefined` if that would take too long to know.
 */
function findSound(
  window: FileWindow,
  offset: number,
  sizeBytes: number,
): number | undefined {
  const header = {} as RecordHeader;
  let checkedBytes = 0;
  for (let at = offset; at + RECORD_HEADER_BYTES <= sizeBytes; at++) {
    const record = recordAt(window, at, header);
    if (record === undefined) continue;
    if (isRecordSound(record)) return at;
    checkedBytes += record.length;
    if (checkedBytes > MAX_SEARCH_BYTES) return undefined;
  }
  return sizeBytes;
}

/** Whether a file ends in nothing but zeros: space that was never written. */
function isZero(window: FileWindow, from: number, to: number): boolean {
  for (let at = from; at < to; at += ZEROS_BYTES) {
    const bytes = window.at(at, Math.min(ZEROS_BYTES, to - at))!;
    if (bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}

/** A record that can't be read as what was written. */
export class CorruptionError extends Error {
  /** The class's name. */
  override name = "CorruptionError";

  /**
   * Makes the error.
   *
   * @param path The file.
   * @param offset Where in the file the trouble begins, in bytes.
   * @param reason What is wrong.
   */
  constructor(path: string, offset: number, reason: string) {
    super(`Corrupt data in ${path} at offset ${offset}: ${reason}`);
  }
}

/**
 * Reads a stretch of a file.
 *
 * @param file The file, open for reading.
 * @param offset Where it begins, in bytes.
 * @param into Where to put it; it is as long as this.
 * @returns What was read: all of it, or as much as the file has.
 */
export function readBytes(
  file: Deno.FsFile,
  offset: number,
  into: Uint8Array,
): Uint8Array {
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let read = 0; read < into.length;) {
    const count = file.readSync(read === 0 ? into : into.subarray(read));
    if (count === null) return into.subarray(0, read);
    read += count;
  }
  return into;
}

/**
 * Checks what was read in the place of a record.
 *
 * @param record What was read.
 * @param length The record's length in bytes.
 * @param path The segment's path, for the error.
 * @param offset Where the record begins, in bytes, for the error.
 * @returns The same.
 * @throws {CorruptionError} If it is not what was written.
 */
export function soundRecord(
  record: Uint8Array,
  length: number,
  path: string,
  offset: number,
): Uint8Array {
  if (record.length < length) {
    throw new CorruptionError(path, offset, "file ends within the record");
  }
  if (isRecordSound(record)) return record;
  throw new CorruptionError(path, offset, "record does not match its checksum");
}

/**
 * Does as {@linkcode soundRecord}, and checks that the record is the one that
 * an index entry leads to.
 *
 * @param record What was read.
 * @param pointer The entry's pointer.
 * @param key The entry's key.
 * @param path The segment's path, for the error.
 * @returns The same.
 * @throws {CorruptionError} If it is not.
 */
export function recordOf(
  record: Uint8Array,
  { offset, length, sequence }: LogPointer,
  key: Uint8Array,
  path: string,
): Uint8Array {
  soundRecord(record, length, path, offset);
  if (isRecordOf(record, 0, key, sequence)) return record;
  throw new CorruptionError(path, offset, "record is not the one written here");
}
