/**
 * Writing JSON text as bytes.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { BACKSLASH, NON_ASCII, QUOTE, skipPlainText, SPACE } from "./bytes.ts";

/** Room to begin with. */
const INITIAL_BYTES = 2 * 1024;

/** More memory than this is given back after a huge text. */
const KEPT_BYTES = 1024 * 1024;

/** From this length on, comparing four bytes at a time and copying pays. */
const LONG_BYTES = 200;

/** The most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

const encoder = new TextEncoder();

/** For each byte that a JSON string may not hold as it is, its escape. */
const ESCAPES: ReadonlyMap<number, Uint8Array> = new Map(
  [QUOTE, BACKSLASH, ...Array(SPACE).keys()].map((byte) => {
    const quoted = JSON.stringify(String.fromCharCode(byte));
    return [byte, encoder.encode(quoted.slice(1, -1))];
  }),
);

/** For each byte, how many bytes stand for it in a JSON string. */
const SPELLED_BYTES = Uint8Array.from(
  { length: 256 },
  (_, byte) => ESCAPES.get(byte)?.length ?? 1,
);

/**
 * JSON text on its way out, in one array that is used again and again.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const json = new JsonBytes();
 * json.text('{"key":"');
 * json.string(new TextEncoder().encode('a "b"'));
 * json.text('"}');
 * assertEquals(
 *   new TextDecoder().decode(json.bytes()),
 *   String.raw`{"key":"a \"b\""}`,
 * );
 * ```
 */
export class JsonBytes {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** How many bytes the text takes. */
  get length(): number {
    return this.#length;
  }

  /** How much memory it takes, in bytes. */
  get heldBytes(): number {
    return this.#bytes.length;
  }

  /**
   * Takes back the end of the text.
   *
   * @param lengthBytes How much of it stays, in bytes.
   */
  cut(lengthBytes: number): void {
    this.#length = lengthBytes;
  }

  /** The text, a view that is valid until the next change. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * Gives the text away.
   *
   * @returns The text, which nothing here changes any more.
   */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.bytes();
    this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#length = 0;
    return bytes;
  }

  /** Forgets the text. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES) {
      this.#bytes = new Uint8Array(INITIAL_BYTES);
    }
  }

  /**
   * Appends text as it is.
   *
   * @param text The text.
   */
  text(text: string): void {
    this.#reserve(text.length * MAX_BYTES_PER_UNIT);
    const room = this.#bytes.subarray(this.#length);
    this.#length += encoder.encodeInto(text, room).written;
  }

  /**
   * Appends bytes as they are: many.
   *
   * @param bytes The bytes.
   */
  copy(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * Appends bytes as they are: few, for which a loop beats a call.
   *
   * @param literal The bytes.
   */
  literal(literal: Uint8Array): void {
    this.#reserve(literal.length);
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < literal.length; i++) bytes[at + i] = literal[i];
    this.#length = at + literal.length;
  }

  /**
   * Appends what stands between the quotation marks of a string.
   *
   * @param value The string as UTF-8.
   * @returns Whether it is UTF-8; else the text is to be cut.
   */
  string(value: Uint8Array): boolean {
    const { length } = value;
    this.#reserve(length);
    const bytes = this.#bytes;
    let at = this.#length;
    let seen = 0;
    let i = 0;
    if (length >= LONG_BYTES) {
      const view = new DataView(value.buffer, value.byteOffset, length);
      i = skipPlainText(view, 0, length);
      bytes.set(i === length ? value : value.subarray(0, i), at);
      at += i;
    }
    for (; i < length; i++) {
      const byte = value[i];
      if (SPELLED_BYTES[byte] !== 1) break;
      bytes[at++] = byte;
      seen |= byte;
    }
    this.#length = at;
    if (i < length) this.#escaped(value.subarray(i));
    return (i === length && seen < NON_ASCII) || isUtf8(value);
  }

  /** Appends the rest of a string, of which some bytes need escapes. */
  #escaped(value: Uint8Array): void {
    let spelledBytes = 0;
    for (let i = 0; i < value.length; i++) {
      spelledBytes += SPELLED_BYTES[value[i]];
    }
    this.#reserve(spelledBytes);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i];
      const escape = SPELLED_BYTES[byte] === 1 ? undefined : ESCAPES.get(byte);
      if (escape === undefined) {
        bytes[at++] = byte;
      } else {
        for (let j = 0; j < escape.length; j++) bytes[at++] = escape[j];
      }
    }
    this.#length = at;
  }

  #reserve(countBytes: number): void {
    const needed = this.#length + countBytes;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.bytes());
    this.#bytes = bytes;
  }
}
