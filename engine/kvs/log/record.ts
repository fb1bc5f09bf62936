/**
 * The record: what one write is in the log.
 *
 * ```text
 * offset  size  field
 *      0     4  CRC-32 of everything after it
 *      4     6  sequence number
 *     10     2  kind: 0 a value, 1 a tombstone
 *     12     4  key length in bytes
 *     16     4  value length in bytes
 *     20        key, then value
 * ```
 * Numbers are little-endian.
 *
 * @module
 */

import { crc32 } from "node:zlib";

/** Bytes of a record before its key. */
export const RECORD_HEADER_BYTES = 20;

/** The sequence number has 48 bits: a million writes a second for 8 years. */
export const MAX_SEQUENCE = 2 ** 48 - 1;

/** Where in a record the key's length is, in bytes. */
export const KEY_LENGTH_AT = 12;

const KIND_VALUE = 0;
const KIND_TOMBSTONE = 1;

/** A record's header, decoded. */
export interface RecordHeader {
  sequence: number;
  tombstone: boolean;
  keyLength: number;
  valueLength: number;
}

/**
 * The length of a record.
 *
 * @param keyLength In bytes.
 * @param valueLength In bytes; a tombstone's is 0.
 * @returns The length in bytes, header included.
 */
export function recordLength(keyLength: number, valueLength: number): number {
  return RECORD_HEADER_BYTES + keyLength + valueLength;
}

/**
 * Writes a record into a buffer.
 *
 * @param into The buffer, with room for the record from `at`.
 * @param at Where the record begins, in bytes.
 * @param sequence From 1 to {@linkcode MAX_SEQUENCE}.
 * @param key The key.
 * @param value The value, or `undefined` for a tombstone.
 * @returns Where the record ends.
 */
export function encodeRecord(
  into: Uint8Array,
  at: number,
  sequence: number,
  key: Uint8Array,
  value: Uint8Array | undefined,
): number {
  const valueLength = value === undefined ? 0 : value.length;
  const end = at + recordLength(key.length, valueLength);
  putUint32(into, at + 4, sequence);
  const high = Math.floor(sequence / 2 ** 32);
  into[at + 8] = high;
  into[at + 9] = high >>> 8;
  into[at + 10] = value === undefined ? KIND_TOMBSTONE : KIND_VALUE;
  into[at + 11] = 0;
  putUint32(into, at + KEY_LENGTH_AT, key.length);
  putUint32(into, at + 16, valueLength);
  into.set(key, at + RECORD_HEADER_BYTES);
  if (value !== undefined) {
    into.set(value, at + RECORD_HEADER_BYTES + key.length);
  }
  putUint32(into, at, crc32(into.subarray(at + 4, end)));
  return end;
}

/**
 * Decodes a record's header. It says nothing about whether the record is
 * sound: {@linkcode isRecordSound} does.
 *
 * @param bytes At least {@linkcode RECORD_HEADER_BYTES} from `at`.
 * @param at Where the record begins.
 * @param into Filled in.
 * @returns The record's length in bytes, as the header has it.
 */
export function decodeRecordHeader(
  bytes: Uint8Array,
  at: number,
  into: RecordHeader,
): number {
  into.sequence = sequenceAt(bytes, at);
  into.tombstone = bytes[at + 10] === KIND_TOMBSTONE;
  into.keyLength = getUint32(bytes, at + KEY_LENGTH_AT);
  into.valueLength = getUint32(bytes, at + 16);
  return recordLength(into.keyLength, into.valueLength);
}

/**
 * Checks a whole record against its checksum.
 *
 * @param bytes The bytes in which it is.
 * @param at Where its first byte is.
 * @param end Where its last one ends.
 * @returns Whether every byte is as it was written.
 */
export function isRecordSound(
  bytes: Uint8Array,
  at = 0,
  end = bytes.length,
): boolean {
  const from = at + 4;
  // Not subarray(), which takes several times as long.
  const covered = new Uint8Array(
    bytes.buffer,
    bytes.byteOffset + from,
    end - from,
  );
  return crc32(covered) === getUint32(bytes, at);
}

/**
 * Whether a sound record is the one that an index entry leads to.
 *
 * @param bytes The bytes in which it is.
 * @param at Where its first byte is.
 * @param key The key it must have.
 * @param sequence The sequence number it must have.
 */
export function isRecordOf(
  bytes: Uint8Array,
  at: number,
  key: Uint8Array,
  sequence: number,
): boolean {
  return sequenceAt(bytes, at) === sequence && hasKey(bytes, at, key);
}

/** Whether the record at a place has a key. */
export function hasKey(
  bytes: Uint8Array,
  at: number,
  key: Uint8Array,
): boolean {
  if (getUint32(bytes, at + KEY_LENGTH_AT) !== key.length) return false;
  const keyAt = at + RECORD_HEADER_BYTES;
  for (let i = 0; i < key.length; i++) {
    if (bytes[keyAt + i] !== key[i]) return false;
  }
  return true;
}

function sequenceAt(bytes: Uint8Array, at: number): number {
  return getUint32(bytes, at + 4) +
    (bytes[at + 8] | bytes[at + 9] << 8) * 2 ** 32;
}

/** Reads a little-endian 32-bit number. */
export function getUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 |
    bytes[at + 3] << 24) >>> 0;
}

/** Writes the low 32 bits of a number, little-endian. */
export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
