/**
 * Where a record lies in the log, and how the index stores that.
 *
 * @module
 */

/** Where the newest record of a key lies, and which version it is. */
export interface LogPointer {
  /** The segment's file id. */
  segment: number;
  /** Where the record begins in the segment, in bytes. */
  offset: number;
  /** The whole record's length, header included, in bytes. */
  length: number;
  /** The record's sequence number: a later write has a greater one. */
  sequence: number;
}

/** Makes a pointer to be filled in by a look-up. */
export function emptyPointer(): LogPointer {
  return { segment: 0, offset: 0, length: 0, sequence: 0 };
}

/** The words of a stored pointer: its fields, the low word of the number first. */
export const POINTER_WORDS = 5;

/** Reads a stored pointer. */
export function readPointer(
  words: Uint32Array,
  at: number,
  into: LogPointer,
): void {
  into.segment = words[at];
  into.offset = words[at + 1];
  into.length = words[at + 2];
  into.sequence = words[at + 4] * 2 ** 32 + words[at + 3];
}

/** Stores a pointer. */
export function writePointer(
  words: Uint32Array,
  at: number,
  pointer: LogPointer,
): void {
  words[at] = pointer.segment;
  words[at + 1] = pointer.offset;
  words[at + 2] = pointer.length;
  words[at + 3] = pointer.sequence >>> 0;
  words[at + 4] = Math.floor(pointer.sequence / 2 ** 32);
}

/** Whether a stored pointer leads to the same record; file ids are unique. */
export function pointsTo(
  words: Uint32Array,
  at: number,
  { segment, offset }: LogPointer,
): boolean {
  return words[at] === segment && words[at + 1] === offset;
}
