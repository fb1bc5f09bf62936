/**
 * The requests of the protocol, and their JSON.
 *
 * A new request takes three steps: its type in {@linkcode KvsRequest}, its
 * reader in `READERS` here, its case in `execute.ts`.
 *
 * @module
 */

import type { ScanRange } from "../engine/engine.ts";
import { CARRIAGE_RETURN, NEWLINE } from "./json/bytes.ts";
import { CanonicalDecoder } from "./json/canonical.ts";
import { Fields, foundIn, quoted } from "./json/fields.ts";
import { ProtocolError } from "./protocol_error.ts";

/**
 * A request, told apart by `kind`. Keys and values are UTF-8 text; they may be
 * views of the bytes that the request was decoded from.
 */
export type KvsRequest =
  | { readonly kind: "get"; readonly key: Uint8Array }
  | {
    readonly kind: "set";
    readonly key: Uint8Array;
    readonly value: Uint8Array;
  }
  | {
    readonly kind: "remove";
    readonly key: Uint8Array;
    // Spelled out so that a remove, like a set, is a Write of the engine as is.
    readonly value: undefined;
  }
  | { readonly kind: "scan"; readonly range: ScanRange }
  | {
    readonly kind: "snapshot";
    /** Whether the connection's snapshot is to go, rather than to be taken. */
    readonly isRelease: boolean;
  }
  | { readonly kind: "compact" }
  | { readonly kind: "stats" }
  | { readonly kind: "auth"; readonly token: Uint8Array };

/** The most entries of one answer to a scan. */
const MAX_PAGE_ENTRIES = 10_000;

const READERS: ReadonlyMap<string, (fields: Fields) => KvsRequest> = new Map<
  string,
  (fields: Fields) => KvsRequest
>([
  ["Set", (fields) => ({
    kind: "set",
    key: fields.text("key"),
    value: fields.text("value"),
  })],
  ["Get", (fields) => ({ kind: "get", key: fields.text("key") })],
  ["Remove", (fields) => ({
    kind: "remove",
    key: fields.text("key"),
    value: undefined,
  })],
  ["Scan", readScan],
  ["Snapshot", (fields) => ({
    kind: "snapshot",
    isRelease: fields.flag("release"),
  })],
  ["Compact", () => ({ kind: "compact" })],
  ["Stats", () => ({ kind: "stats" })],
  ["Auth", (fields) => ({ kind: "auth", token: fields.text("token") })],
]);

/**
 * Reads a request for a page of entries in the order of their keys' bytes:
 *
 * ```json
 * {"Scan":{"prefix":"user/","limit":2}}
 * ```
 *
 * All fields may be missing. `prefix`, `start` (the first key) and `end` (the
 * key before which it ends) each narrow the range; `reverse` goes from the
 * last key to the first; `keys` leaves the values out; `limit` is the most
 * entries, 1 to 10,000, by default 1,000. The answer is
 *
 * ```json
 * {"Ok":{"entries":[["user/1","Ada"],["user/2","Grace"]],"more":true}}
 * ```
 *
 * with entries `["user/1"]` where `keys` is set. A page ends early once its
 * keys and values take 1 MiB. Where `more` is true, the next page is the
 * answer to the same request with `after` set to the last key; an empty page
 * is the last one.
 */
function readScan(fields: Fields): KvsRequest {
  return {
    kind: "scan",
    range: {
      prefix: fields.optionalText("prefix"),
      start: fields.optionalText("start"),
      end: fields.optionalText("end"),
      after: fields.optionalText("after"),
      limit: fields.count("limit", MAX_PAGE_ENTRIES),
      reverse: fields.flag("reverse"),
      keysOnly: fields.flag("keys"),
    },
  };
}

const NAMES = [...READERS.keys()].join(", ").replace(/, (\w+)$/, " or $1");

const HTTP_REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/\d/;

/** No more of an opening is looked at, since it only decides on the wording. */
const MAX_REQUEST_LINE_BYTES = 16 * 1024;

/** The content type of the record that a TLS connection begins with. */
const TLS_HANDSHAKE = 0x16;

const latin1 = new TextDecoder("latin1");

// A byte order mark is no JSON, and must not vanish from a key either.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const canonical = new CanonicalDecoder();

/**
 * Decodes one request.
 *
 * @param bytes Bytes that hold the request, and maybe others around it.
 * @param start Where the request begins.
 * @param end Where it ends.
 * @returns The request; its keys and values may be views of `bytes`.
 * @throws {ProtocolError} If it is no request; the message names what is wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const line = new TextEncoder().encode('{"Get":{"key":"k"}}');
 * assertEquals(decodeRequest(line, 0, line.length).kind, "get");
 * ```
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
 * Decodes one request in any spelling that JSON allows; the slower half of
 * {@linkcode decodeRequest}.
 *
 * @param bytes The request.
 * @returns The request.
 * @throws {ProtocolError} If it is no request.
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
  const read = READERS.get(name);
  if (read === undefined) {
    throw new ProtocolError(
      `Unknown request ${quoted(name)}; expected ${NAMES}`,
    );
  }
  const fields = new Fields(name, Object.values(message)[0]);
  const request = read(fields);
  fields.finish();
  return request;
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

/**
 * Says what is wrong with a connection that does not begin with an object.
 *
 * @param bytes What has come of it, at least one byte.
 * @returns The error, which ends the connection.
 */
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
