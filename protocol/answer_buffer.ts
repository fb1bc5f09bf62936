/**
 * Answers on their way out.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { BACKSLASH, NEWLINE, NON_ASCII, QUOTE, SPACE } from "./bytes.ts";
import { skipPlainText } from "./plain_text.ts";

/** Room to begin with. */
const INITIAL_BYTES = 16 * 1024;

/** What one huge batch took beyond this is given back after it. */
const KEPT_BYTES = 1024 * 1024;

/** From here on it pays to look at four bytes at a time, then copy natively. */
const LONG_BYTES = 200;

/** The most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

const encoder = new TextEncoder();
const OK = encoder.encode('{"Ok":null}\n');
const VALUE_HEAD = encoder.encode('{"Ok":"');
const VALUE_TAIL = encoder.encode('"}\n');

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
 * The answers to a batch of requests, one line each, written into one array
 * that leaves in one piece and is used again for the next batch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const answers = new AnswerBuffer();
 * answers.ok();
 * answers.err("Key not found");
 * assertEquals(
 *   new TextDecoder().decode(answers.bytes()),
 *   '{"Ok":null}\n{"Err":"Key not found"}\n',
 * );
 * ```
 */
export class AnswerBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** How many bytes the answers take. */
  get length(): number {
    return this.#length;
  }

  /**
   * Gives the answers to whoever sends them.
   *
   * @returns A view, valid until the next change of the buffer.
   */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets the answers, for the next batch. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES) {
      this.#bytes = new Uint8Array(INITIAL_BYTES);
    }
  }

  /** Answers that all is done and there is nothing to say: `{"Ok":null}`. */
  ok(): void {
    this.#reserve(OK.length);
    this.#append(OK);
  }

  /**
   * Answers with a value: `{"Ok":"…"}`.
   *
   * @param value The value, UTF-8 text. What is no text can only have come in
   * past the protocol, and has no JSON; the answer then is an error.
   */
  value(value: Uint8Array): void {
    const { length } = value;
    const start = this.#length;
    this.#reserve(VALUE_HEAD.length + length + VALUE_TAIL.length);
    this.#append(VALUE_HEAD);
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
    if ((i < length || seen >= NON_ASCII) && !isUtf8(value)) {
      this.#length = start;
      this.err("Value is not UTF-8 text");
      return;
    }
    this.#append(VALUE_TAIL);
  }

  /**
   * Answers that a request failed: `{"Err":"…"}`.
   *
   * @param message Why.
   */
  err(message: string): void {
    this.#text(`{"Err":${JSON.stringify(message)}}\n`);
  }

  /**
   * Answers with any JSON value: `{"Ok":…}`.
   *
   * @param value The value.
   */
  json(value: unknown): void {
    this.#text(`{"Ok":${JSON.stringify(value)}}\n`);
  }

  /**
   * Takes back answers of the kind `{"Ok":null}`; others stay.
   *
   * @param runs Where the answers stand that are to be taken back: beginning
   * and end of each run of them, in bytes, in order.
   * @param message The error that takes their place.
   */
  replaceOks(runs: readonly number[], message: string): void {
    const old = this.bytes();
    this.#bytes = new Uint8Array(Math.max(INITIAL_BYTES, old.length * 2));
    this.#length = 0;
    let kept = 0;
    for (let i = 0; i < runs.length; i += 2) {
      this.#copy(old.subarray(kept, runs[i]));
      for (let at = runs[i]; at < runs[i + 1];) {
        const end = old.indexOf(NEWLINE, at) + 1;
        const line = old.subarray(at, end);
        if (OK.every((byte, j) => line[j] === byte)) this.err(message);
        else this.#copy(line);
        at = end;
      }
      kept = runs[i + 1];
    }
    this.#copy(old.subarray(kept));
  }

  /** Appends the rest of a value, of which some bytes need escapes. */
  #escaped(value: Uint8Array): void {
    let spelledBytes = 0;
    for (let i = 0; i < value.length; i++) {
      spelledBytes += SPELLED_BYTES[value[i]];
    }
    this.#reserve(spelledBytes + VALUE_TAIL.length);
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

  #text(text: string): void {
    this.#reserve(text.length * MAX_BYTES_PER_UNIT);
    const room = this.#bytes.subarray(this.#length);
    this.#length += encoder.encodeInto(text, room).written;
  }

  #copy(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Appends a few bytes for which there is room; a loop beats a call here. */
  #append(literal: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < literal.length; i++) bytes[at + i] = literal[i];
    this.#length = at + literal.length;
  }

  #reserve(countBytes: number): void {
    const needed = this.#length + countBytes;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    bytes.set(this.bytes());
    this.#bytes = bytes;
  }
}
