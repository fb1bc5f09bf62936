/**
 * A short cut for requests as JSON encoders usually spell them: the fields in
 * order, no escapes, no blanks but maybe one after each colon and comma. Keys
 * and values become views of the input; whatever is spelled otherwise is left
 * to the general decoder.
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
import { skipPlainText } from "./plain_text.ts";
import type { KvsRequest } from "./request.ts";

const encoder = new TextEncoder();
const CLOSE = encoder.encode('"}}');

/** What stands between keys and values, as one kind of encoder spells it. */
function spelling(blank: string) {
  return {
    get: encoder.encode(`{"Get":${blank}{"key":${blank}"`),
    set: encoder.encode(`{"Set":${blank}{"key":${blank}"`),
    remove: encoder.encode(`{"Remove":${blank}{"key":${blank}"`),
    value: encoder.encode(`",${blank}"value":${blank}"`),
  };
}

const COMPACT = spelling("");
const SPACED = spelling(" ");

// All six heads differ in their third byte or in the one after the colon.
const INITIAL_AT = 2;
const G = "G".charCodeAt(0);
const S = "S".charCodeAt(0);
const R = "R".charCodeAt(0);
const SHORT_BLANK_AT = '{"Get":'.length;
const LONG_BLANK_AT = '{"Remove":'.length;

/** Decodes requests in their usual spelling, straight from a stream. */
export class CanonicalDecoder {
  /** Where the request that was decoded last ends. */
  end = 0;

  /**
   * Decodes a request that is followed by a line's end or by nothing.
   *
   * @param bytes Bytes that hold the request, and maybe others behind it.
   * @param view The same bytes.
   * @param start Where the request begins.
   * @param limit Where the bytes end.
   * @returns The request, its key and value views of `bytes`, and its end in
   * {@linkcode end}; `undefined` where it is incomplete or spelled otherwise.
   */
  decode(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    limit: number,
  ): KvsRequest | undefined {
    switch (bytes[start + INITIAL_AT]) {
      case G: {
        const { get } = spellingAt(bytes, start + SHORT_BLANK_AT);
        const key = this.#onlyKey(bytes, view, start, limit, get);
        return key && { kind: "get", key };
      }
      case S: {
        const { set, value } = spellingAt(bytes, start + SHORT_BLANK_AT);
        if (!matches(bytes, start, set)) return undefined;
        const from = start + set.length;
        const to = stringEnd(bytes, view, from, limit);
        if (to < 0 || !matches(bytes, to, value)) return undefined;
        const valueFrom = to + value.length;
        const valueTo = stringEnd(bytes, view, valueFrom, limit);
        if (valueTo < 0 || !this.#closes(bytes, valueTo, limit)) {
          return undefined;
        }
        return {
          kind: "set",
          key: bytes.subarray(from, to),
          value: bytes.subarray(valueFrom, valueTo),
        };
      }
      case R: {
        const { remove } = spellingAt(bytes, start + LONG_BLANK_AT);
        const key = this.#onlyKey(bytes, view, start, limit, remove);
        return key && { kind: "remove", key, value: undefined };
      }
    }
    return undefined;
  }

  #onlyKey(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    limit: number,
    head: Uint8Array,
  ): Uint8Array | undefined {
    if (!matches(bytes, start, head)) return undefined;
    const from = start + head.length;
    const to = stringEnd(bytes, view, from, limit);
    if (to < 0 || !this.#closes(bytes, to, limit)) return undefined;
    return bytes.subarray(from, to);
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

function spellingAt(bytes: Uint8Array, blankAt: number): typeof COMPACT {
  return bytes[blankAt] === SPACE ? SPACED : COMPACT;
}

/**
 * Compares bytes, maybe with stale ones behind the limit; what is found there
 * counts for nothing, since the string that follows cannot end before it.
 */
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
function stringEnd(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  limit: number,
): number {
  let seen = 0;
  for (let i = skipPlainText(view, from, limit); i < limit; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      return seen < NON_ASCII || isUtf8(bytes.subarray(from, i)) ? i : -1;
    }
    if (byte < SPACE || byte === BACKSLASH) return -1;
    seen |= byte;
  }
  return -1;
}
