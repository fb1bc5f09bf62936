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
import { CorruptionError } from "../../errors.ts";
import { writeAll } from "../../files.ts";
import { FileWindow } from "./file_window.ts";
import type { LogPointer } from "../index/log_pointer.ts";
import {
  isRecordOf,
  isRecordSound,
  putUint32,
  type RecordHeader,
} from "./record.ts";
import {
  findSound,
  isFollowed,
  isSoundAt,
  isZero,
  recordAt,
} from "./record_search.ts";
import { SequenceOrder } from "./sequence_order.ts";

/** Bytes of a segment before its first record. */
export const SEGMENT_HEADER_BYTES = 16;

const MAGIC = new TextEncoder().encode("KVSLOG\x01\x00");

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
   * none: what follows it was never acknowledged.
   */
  readonly tailOffset: number;
  /** The greatest sequence number of a sound record; 0 where there is none. */
  readonly maxSequence: number;
  /** Records that were once whole and are not sound now. */
  readonly damage: Damage[];
}

/**
 * Called for each record of a segment. The header and the bytes are reused
 * after the call.
 *
 * @param header The record's header. The sequence number of an unsound record
 * is the greatest that it can have been written with: its own if that fits.
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

/** Where to begin in a segment, and what is known of the log before it. */
export interface ScanStart {
  /** Where to begin, in bytes; the first record by default. */
  readonly from?: number;
  /**
   * The greatest sequence number that is known to be older than what is read;
   * 0 by default.
   */
  readonly sequenceBefore?: number;
}

/**
 * Reads a segment from end to end and checks every record.
 *
 * @param path The segment's path.
 * @param id The file id its header must have.
 * @param visit Called for each record, in file order.
 * @param start See {@linkcode ScanStart}.
 * @returns The state of the file.
 */
export function scanSegment(
  path: string,
  id: number,
  visit: RecordVisitor,
  start: ScanStart = {},
): ScanResult {
  using file = Deno.openSync(path);
  const sizeBytes = file.statSync().size;
  return scanFile(file, sizeBytes, path, id, visit, start);
}

/**
 * Does as {@linkcode scanSegment} with a segment that is open.
 *
 * @param file The segment.
 * @param sizeBytes How much of it counts, in bytes: a writer may add more
 * meanwhile.
 * @param path Its path, for the damage.
 * @param id The file id its header must have.
 * @param visit Called for each record, in file order.
 * @param start See {@linkcode ScanStart}.
 * @returns The state of what counts.
 * @throws {FileShrankError} If it is shorter by now.
 */
export function scanFile(
  file: Deno.FsFile,
  sizeBytes: number,
  path: string,
  id: number,
  visit: RecordVisitor,
  { from = SEGMENT_HEADER_BYTES, sequenceBefore = 0 }: ScanStart,
): ScanResult {
  const window = new FileWindow(file, sizeBytes);
  const damage: Damage[] = [];
  const order = new SequenceOrder(sequenceBefore);
  const result = (tailOffset: number) => ({
    sizeBytes,
    tailOffset,
    maxSequence: order.max,
    damage,
  });
  if (sizeBytes < SEGMENT_HEADER_BYTES) return result(0);
  const report = (offset: number, end: number, reason: string) =>
    damage.push({ path, offset, length: end - offset, reason });
  const expected = segmentHeader(id);
  const found = window.at(0, SEGMENT_HEADER_BYTES)!;
  if (expected.some((byte, i) => byte !== found[i])) {
    const reason = "segment header is not what was written";
    report(0, SEGMENT_HEADER_BYTES, reason);
  }
  const header = {} as RecordHeader;
  let offset = from;
  /** Where the last sound record ends. */
  let soundEnd = from;
  while (offset < sizeBytes) {
    const record = recordAt(window, offset, header);
    if (record !== undefined && isRecordSound(record)) {
      const { length } = record;
      const { sequence } = header;
      // Two copies of a tombstone may have come together.
      if (order.has(sequence) && !header.tombstone) {
        const reason = `sequence number ${sequence} is in the file already`;
        report(offset, offset + length, reason);
      } else {
        order.add(sequence, offset - soundEnd);
        visit(header, offset, record, true);
      }
      offset += length;
      soundEnd = offset;
      continue;
    }
    // Where the lengths can be believed, only this record is lost.
    const next = record === undefined ? sizeBytes : offset + record.length;
    const following = {} as RecordHeader;
    // Damaged lengths may lead to what looks like a record within a value.
    const followed = record !== undefined && (next === sizeBytes ||
      isSoundAt(window, next, following) &&
        (order.judge(following.sequence, next - soundEnd) === "yes" ||
          isFollowed(window, next, sizeBytes)));
    if (followed && !isZero(window, offset, sizeBytes)) {
      report(offset, next, "record does not match its checksum");
      const unsound = recordAt(window, offset, header)!;
      header.sequence = order.boundOf(header.sequence, following.sequence);
      visit(header, offset, unsound, false);
      offset = next;
      continue;
    }
    // What looks like a record may be a part of a value.
    const { at, reason } = findSound(
      window,
      offset + 1,
      sizeBytes,
      ({ sequence }, at) => order.judge(sequence, at - soundEnd),
    );
    if (reason === undefined) return result(offset);
    report(offset, at, reason);
    offset = at;
  }
  return result(sizeBytes);
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

/**
 * Whether the record that an index entry leads to is there, and sound.
 *
 * @param directory The data directory.
 * @param pointer The entry's pointer.
 * @param key The entry's key.
 */
export function isRecordAt(
  directory: string,
  pointer: LogPointer,
  key: Uint8Array,
): boolean {
  const path = segmentPath(directory, pointer.segment);
  using file = Deno.openSync(path);
  const room = new Uint8Array(pointer.length);
  const record = readBytes(file, pointer.offset, room);
  return record.length === pointer.length && isRecordSound(record) &&
    isRecordOf(record, 0, key, pointer.sequence);
}
