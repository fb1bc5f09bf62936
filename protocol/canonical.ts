/**
 * A short cut for requests as JSON encoders usually spell them: no blanks, the
 * fields in order, no escapes. Nothing is copied, and no text is made of the
 * bytes; whatever is spelled otherwise is left to the general decoder.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  NEWLINE,
  NON_ASCII,
  QUOTE,
  SPACE,
} from "./bytes.ts";
import type { KvsRequest } from "./request.ts";

const encoder = new TextEncoder();
const GET = encoder.encode('{"Get":{"key":"');
const SET = encoder.encode('{"Set":{"key":"');
const REMOVE = encoder.encode('{"Remove":{"key":"');
const SET_VALUE = encoder.encode('","value":"');
const CLOSE = encoder.encode('"}}');

/** Where in all three heads the letter stands that tells them apart. */
const INITIAL_AT = 2;

/** Decodes requests in their usual spelling, straight from a stream. */
export class CanonicalDecoder {
  /** Where the request that was decoded last ends. */
  end = 0;

  /**
   * Decodes a request that is followed by a line's end or by nothing.
   *
   * @param bytes Bytes that hold the request, and maybe others behind it.
   * @param start Where the request begins.
   * @param limit Where the bytes end.
   * @returns The request, its key and value views of `bytes`, and its end in
   * {@linkcode end}; `undefined` where it is incomplete or spelled otherwise.
   */
  decode(
    bytes: Uint8Array,
    start: number,
    limit: number,
  ): KvsRequest | undefined {
    // Comparisons may run past the limit into stale bytes, but what they find
    // there counts for nothing: the end is compared with the limit.
    switch (bytes[start + INITIAL_AT]) {
      case GET[INITIAL_AT]: {
        if (!matches(bytes, start, GET)) return undefined;
        const from = start + GET.length;
        const to = stringEnd(bytes, from, limit);
        if (to < 0 || !this.#closes(bytes, to, limit)) return undefined;
        return { kind: "get", key: bytes.subarray(from, to) };
      }
      case SET[INITIAL_AT]: {
        if (!matches(bytes, start, SET)) return undefined;
        const from = start + SET.length;
        const to = stringEnd(bytes, from, limit);
        if (to < 0 || !matches(bytes, to, SET_VALUE)) return undefined;
        const valueFrom = to + SET_VALUE.length;
        const valueTo = stringEnd(bytes, valueFrom, limit);
        if (valueTo < 0 || !this.#closes(bytes, valueTo, limit)) {
          return undefined;
        }
        return {
          kind: "set",
          key: bytes.subarray(from, to),
          value: bytes.subarray(valueFrom, valueTo),
        };
      }
      case REMOVE[INITIAL_AT]: {
        if (!matches(bytes, start, REMOVE)) return undefined;
        const from = start + REMOVE.length;
        const to = stringEnd(bytes, from, limit);
        if (to < 0 || !this.#closes(bytes, to, limit)) return undefined;
        return {
          kind: "remove",
          key: bytes.subarray(from, to),
          value: undefined,
        };
      }
    }
    return undefined;
  }

  #closes(bytes: Uint8Array, at: number, limit: number): boolean {
    const end = at + CLOSE.length;
    if (end > limit || !matches(bytes, at, CLOSE)) return false;
    this.end = end;
    if (end === limit || bytes[end] === NEWLINE) return true;
    return bytes[end] === CARRIAGE_RETURN &&
      (end + 1 === limit || bytes[end + 1] === NEWLINE);
  }
}

function matches(
  bytes: Uint8Array,
  start: number,
  expected: Uint8Array,
): boolean {
  for (let i = 0; i < expected.length; i++) {
    if (bytes[start + i] !== expected[i]) return false;
  }
  return true;
}

/** Finds the quote that ends a string without escapes; -1 where none does. */
function stringEnd(bytes: Uint8Array, from: number, limit: number): number {
  let seen = 0;
  for (let i = from; i < limit; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      return seen < NON_ASCII || isUtf8(bytes.subarray(from, i)) ? i : -1;
    }
    if (byte < SPACE || byte === BACKSLASH) return -1;
    seen |= byte;
  }
  return -1;
}
