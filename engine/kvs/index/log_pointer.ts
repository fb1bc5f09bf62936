/**
 * Where a record lies in the log.
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
