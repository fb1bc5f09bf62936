/**
 * Text as UTF-8, without memory of its own for each.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { checkWellFormed } from "../../text.ts";

/** How much memory is kept, in bytes. Longer text pays for its own. */
const ROOM_BYTES = 4_096;

/** The most bytes that a unit of a string's length takes. */
const MAX_BYTES_PER_UNIT = 3;

/** Buffer's methods count bytes with 32 bits and a sign. */
const MAX_BUFFER_PLACE = 2 ** 31 - 1;

const encoder = new TextEncoder();
// A byte order mark is a part of the text like any other.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Encodes text into the same memory again and again. For short text this takes a
 * quarter of the time of `TextEncoder.encode()`, which gets memory from the
 * system's allocator each time and leaves it to the collector.
 */
export class TextBytes {
  readonly #room = new Uint8Array(ROOM_BYTES);
  /** The beginning of the room, in each length that has been asked for. */
  readonly #views: Uint8Array[] = [];

  /**
   * Encodes a text.
   *
   * @param text The text.
   * @returns Its bytes, valid until the next call.
   * @throws {TypeError} If it holds a lone surrogate, which has no UTF-8 form.
   */
  encode(text: string): Uint8Array {
    checkWellFormed(text);
    if (text.length * MAX_BYTES_PER_UNIT > ROOM_BYTES) {
      return encoder.encode(text);
    }
    const { written } = encoder.encodeInto(text, this.#room);
    return this.#views[written] ??= this.#room.subarray(0, written);
  }
}

/**
 * Decodes bytes.
 *
 * @param bytes The bytes.
 * @returns The text; what is not UTF-8 becomes U+FFFD.
 */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * Decodes bytes where they are: like {@linkcode decodeText} of a `subarray()`,
 * which takes half as long again for short text.
 *
 * @param buffer Where they are.
 * @param start The place of the first one.
 * @param end The place after the last one.
 * @returns The text; what is not UTF-8 becomes U+FFFD.
 */
export function decodeTextAt(
  buffer: Buffer,
  start: number,
  end: number,
): string {
  if (end <= MAX_BUFFER_PLACE) return buffer.toString("utf8", start, end);
  const at = buffer.byteOffset + start;
  return decoder.decode(new Uint8Array(buffer.buffer, at, end - start));
}
