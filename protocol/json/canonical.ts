/**
 * A short cut for requests as JSON encoders usually spell them: the fields in
 * order, no blanks but maybe one after each colon and comma. Keys and values
 * without escapes become views of the input; whatever is spelled otherwise is
 * left to the general decoder.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { BytePool } from "./byte_pool.ts";
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  matches,
  NEWLINE,
  NON_ASCII,
  QUOTE,
  SPACE,
} from "./bytes.ts";
import { unescapeInto } from "./escapes.ts";
import { skipPlainText } from "./plain_text.ts";
import type { KvsRequest } from "../request.ts";

const encoder = new TextEncoder();
const pool = new BytePool();
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

/**
 * Decodes requests in their usual spelling, straight from a stream.
 *
 * Bytes are compared without a look at the limit, maybe with stale ones behind
 * it; what is found there counts for nothing, since the string that follows
 * cannot end before it.
 */
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
   * @returns The request, its key and value maybe views of `bytes`, its end in
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
        const { set, value: between } = spellingAt(
          bytes,
          start + SHORT_BLANK_AT,
        );
        if (!matches(bytes, start, set)) return undefined;
        const key = this.#text(bytes, view, start + set.length, limit);
        if (key === undefined) return undefined;
        if (!matches(bytes, this.end, between)) return undefined;
        const valueFrom = this.end + between.length;
        const value = this.#text(bytes, view, valueFrom, limit);
        if (value === undefined || !this.#closes(bytes, limit)) {
          return undefined;
        }
        return { kind: "set", key, value };
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
    const key = this.#text(bytes, view, start + head.length, limit);
    return key !== undefined && this.#closes(bytes, limit) ? key : undefined;
  }

  /** Reads a string, and moves the end to the quotation mark behind it. */
  #text(
    bytes: Uint8Array,
    view: DataView,
    from: number,
    limit: number,
  ): Uint8Array | undefined {
    let seen = 0;
    let isEscaped = false;
    let i = skipPlainText(view, from, limit);
    for (;; i++) {
      if (i >= limit) return undefined;
      const byte = bytes[i];
      if (byte === QUOTE) break;
      if (byte < SPACE) return undefined;
      if (byte === BACKSLASH) {
        isEscaped = true;
        i++;
      }
      seen |= byte;
    }
    if (seen >= NON_ASCII && !isUtf8(bytes.subarray(from, i))) {
      return undefined;
    }
    this.end = i;
    if (!isEscaped) return bytes.subarray(from, i);
    const room = pool.room(i - from);
    const written = unescapeInto(bytes, from, i, room);
    return written < 0 ? undefined : pool.take(written);
  }

  #closes(bytes: Uint8Array, limit: number): boolean {
    const end = this.end + CLOSE.length;
    if (end > limit || !matches(bytes, this.end, CLOSE)) return false;
    this.end = end;
    if (end === limit || bytes[end] === NEWLINE) return true;
    return bytes[end] === CARRIAGE_RETURN &&
      (end + 1 === limit || bytes[end + 1] === NEWLINE);
  }
}

function spellingAt(bytes: Uint8Array, blankAt: number): typeof COMPACT {
  return bytes[blankAt] === SPACE ? SPACED : COMPACT;
}
