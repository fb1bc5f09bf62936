/**
 * Decoding requests from JSON.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import {
  type KvsRequest,
  ProtocolError,
  type RequestFields,
  type RequestKind,
  REQUESTS,
} from "../request.ts";
import {
  BACKSLASH,
  BytePool,
  CARRIAGE_RETURN,
  matches,
  NEWLINE,
  NON_ASCII,
  QUOTE,
  skipPlainText,
  SPACE,
  unescapeInto,
} from "./bytes.ts";

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
 * The fast path: decodes requests as JSON encoders usually spell them, straight
 * from a stream. Fields are in order, without blanks but maybe one after each
 * colon and comma. Keys and values without escapes become views of the input.
 *
 * Heads are compared without a check of the limit, maybe with stale bytes after
 * it. A match there has no effect, since the string that follows cannot end
 * before the limit.
 */
export class CanonicalDecoder {
  /** Where the request that was decoded last ends. */
  end = 0;

  /**
   * Decodes a request that is followed by a line's end or by nothing, and sets
   * {@linkcode end}. Gives `undefined` where it is incomplete or spelled
   * otherwise. The view is of the same bytes.
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

  /** Reads a string, and moves the end to the quotation mark after it. */
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

const KIND_OF: ReadonlyMap<string, RequestKind> = new Map(
  Object.entries(REQUESTS).map((
    [kind, { name }],
  ) => [name, kind as RequestKind]),
);

const NAMES = [...KIND_OF.keys()].join(", ").replace(/, (\w+)$/, " or $1");

const HTTP_REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/\d/;

/** Only this much of an opening is read, since it only chooses the message. */
const MAX_REQUEST_LINE_BYTES = 16 * 1024;

/** The content type of the record that a TLS connection begins with. */
const TLS_HANDSHAKE = 0x16;

const latin1 = new TextDecoder("latin1");

// A byte order mark is no JSON, and must not vanish from a key either.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const canonical = new CanonicalDecoder();

/**
 * Decodes the request that stands between two places of an array; its keys and
 * values may be views of the array.
 *
 * @throws {ProtocolError} If it is no request; the message says why.
 */
export function decodeRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
): KvsRequest {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const request = canonical.decode(bytes, view, start, end);
  return request !== undefined && isLineEnd(bytes, canonical.end, end)
    ? request
    : decodeGeneral(bytes.subarray(start, end));
}

function isLineEnd(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  if (at < end && bytes[at] === CARRIAGE_RETURN) at++;
  if (at < end && bytes[at] === NEWLINE) at++;
  return at === end;
}

/**
 * Decodes a request in any spelling that JSON allows.
 *
 * @throws {ProtocolError} If it is no request; the message says why.
 */
export function decodeGeneral(bytes: Uint8Array): KvsRequest {
  const message = parseJson(bytes);
  if (
    typeof message !== "object" || message === null || Array.isArray(message)
  ) {
    throw new ProtocolError(
      `A request must be an object, found ${foundIn(message)}`,
      { malformed: true },
    );
  }
  const names = Object.keys(message);
  if (names.length !== 1) {
    throw new ProtocolError(
      names.length === 0
        ? `A request must not be empty; expected ${NAMES}`
        : `A request must stand alone, found ${quoted(names[0])} and ${
          quoted(names[1])
        } in one object`,
    );
  }
  const [name] = names;
  const kind = KIND_OF.get(name);
  if (kind === undefined) {
    throw new ProtocolError(
      `Unknown request ${quoted(name)}; expected ${NAMES}`,
    );
  }
  const fields = new Fields(name, Object.values(message)[0]);
  const request = Object.assign({ kind }, REQUESTS[kind].read(fields));
  fields.finish();
  return request as KvsRequest;
}

function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new ProtocolError("A request must be UTF-8, found other bytes", {
      malformed: true,
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    if (HTTP_REQUEST_LINE.test(text)) throw foreign("HTTP");
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProtocolError(`Malformed JSON: ${reason}`, { malformed: true });
  }
}

/** Says what is wrong with a connection that does not begin with an object. */
export function badOpening(bytes: Uint8Array): ProtocolError {
  if (bytes[0] === TLS_HANDSHAKE) return foreign("TLS");
  const text = latin1.decode(bytes.subarray(0, MAX_REQUEST_LINE_BYTES));
  return HTTP_REQUEST_LINE.test(text) ? foreign("HTTP") : new ProtocolError(
    "A connection must begin with a JSON object",
    { fatal: true, malformed: true },
  );
}

function foreign(protocol: string): ProtocolError {
  return new ProtocolError(`This port does not speak ${protocol}`, {
    fatal: true,
    malformed: true,
  });
}

/** No more than this of a name is repeated in an error. */
const QUOTED_CHARACTERS = 64;

/** The most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

/** From here on a text gets an array of its own, of just its length. */
const LONG_CHARACTERS = 4096;

/** Reads the fields of a request one by one, and refuses what is left over. */
class Fields implements RequestFields {
  readonly #request: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read: string[] = [];

  /** @throws {ProtocolError} If the value under the name is no object. */
  constructor(request: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ProtocolError(
        `${request}: fields must be in an object, found ${foundIn(value)}`,
      );
    }
    this.#request = request;
    this.#values = value as Record<string, unknown>;
  }

  text(name: string): Uint8Array {
    const text = this.optionalText(name);
    if (text === undefined) throw this.#error(name, "is missing");
    return text;
  }

  optionalText(name: string): Uint8Array | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      throw this.#error(name, `must be a string, found ${foundIn(value)}`);
    }
    if (!value.isWellFormed()) {
      throw this.#error(
        name,
        "holds a lone surrogate, which has no UTF-8 form",
      );
    }
    if (value.length >= LONG_CHARACTERS) return encoder.encode(value);
    const room = pool.room(value.length * MAX_BYTES_PER_UNIT);
    return pool.take(encoder.encodeInto(value, room).written);
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value === "boolean") return value;
    throw this.#error(name, `must be a boolean, found ${foundIn(value)}`);
  }

  count(name: string, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number") {
      throw this.#error(name, `must be a number, found ${foundIn(value)}`);
    }
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw this.#error(
      name,
      `must be a whole number from 1 to ${max}, found ${value}`,
    );
  }

  /** @throws {ProtocolError} If there is a field that was not read. */
  finish(): void {
    for (const name of Object.keys(this.#values)) {
      if (this.#read.includes(name)) continue;
      const known = this.#read.map((name) => `"${name}"`).join(", ")
        .replace(/, ("\w+")$/, " and $1");
      throw new ProtocolError(
        `${this.#request}: unknown field ${quoted(name)}; expected ${
          known || "none"
        }`,
      );
    }
  }

  /** A field's value; no value of JSON is `undefined`. */
  #take(name: string): unknown {
    this.#read.push(name);
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  #error(name: string, what: string): ProtocolError {
    return new ProtocolError(`${this.#request}: field "${name}" ${what}`);
  }
}

/** The type of a JSON value in JSON's own words. */
function foundIn(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** Quotes text of a client on one line, cut where it is long. */
function quoted(text: string): string {
  return text.length <= QUOTED_CHARACTERS
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, QUOTED_CHARACTERS))}…`;
}
