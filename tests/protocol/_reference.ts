/**
 * The protocol as docs/protocol.md has it, read plainly: strings, regular
 * expressions and JSON.parse(), and everything looked at again with each read.
 *
 * @module
 */

const MAX_DEPTH = 32;
const MAX_COMMAS = 1_000;
const MAX_PAGE_ENTRIES = 10_000;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Kind = "text" | "optional text" | "count" | "flag";

/** The requests and their fields. */
const REQUESTS: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  Set: { key: "text", value: "text" },
  Get: { key: "text" },
  Remove: { key: "text" },
  Scan: {
    prefix: "optional text",
    start: "optional text",
    end: "optional text",
    after: "optional text",
    limit: "count",
    reverse: "flag",
    keys: "flag",
  },
  Snapshot: { release: "flag" },
  Compact: {},
  Stats: {},
  Auth: { token: "text" },
};

/** One request, or what is none. */
export interface Reading {
  /** Its bytes. */
  readonly frame: Uint8Array<ArrayBuffer>;
  /** The request's name and fields, or `undefined` if it has to be refused. */
  readonly message: readonly [string, Record<string, unknown>] | undefined;
}

/**
 * Reads a stream.
 *
 * @param pieces What the reads bring; the end of the stream follows.
 * @param hasBegun Whether the connection has begun before.
 * @returns What is in it, up to where the connection has to be closed.
 */
export function readPlainly(
  pieces: readonly Uint8Array[],
  hasBegun = false,
): Reading[] {
  const readings: Reading[] = [];
  let text = "";
  for (let i = 0; i <= pieces.length; i++) {
    const isEnd = i === pieces.length;
    if (!isEnd) text += String.fromCharCode(...pieces[i]);
    for (;;) {
      text = text.replace(/^[\n\r\t ]+/, "");
      if (text === "") break;
      const isFirst = !hasBegun && readings.length === 0;
      if (isFirst && !text.startsWith("{")) {
        return [{ frame: bytesOf(text), message: undefined }];
      }
      const { length, isWhole, isExcessive } = findEnd(text);
      if (length < 0 && !isWhole && !isEnd) break;
      const line = length < 0 ? text : text.slice(0, length);
      text = text.slice(line.length);
      const frame = bytesOf(line);
      const { message, isFatal, isObject } = isExcessive
        ? { message: undefined, isFatal: false, isObject: false }
        : decode(frame);
      readings.push({ frame, message });
      if (isFatal || (isFirst && !isObject)) return readings;
    }
  }
  return readings;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Where a request ends that begins a text, one character a byte. */
function findEnd(
  text: string,
): { length: number; isWhole: boolean; isExcessive: boolean } {
  let depth = 0;
  let commas = 0;
  let isExcessive = false;
  let last = "";
  const tokens = /"(?:[^"\\\n]|\\[^\n])*("?)|[{}[\]\n]|[^"{}[\]\n]+/gs;
  for (const { 0: token, 1: quote, index } of text.matchAll(tokens)) {
    if (token.startsWith('"') && quote === "") {
      const length = text.indexOf("\n", index);
      return { length, isWhole: false, isExcessive };
    }
    if (token === "\n") {
      const isOver = depth <= 0 || isExcessive ||
        text.startsWith('{"', index + 1);
      if (isOver) return { length: index, isWhole: false, isExcessive };
    } else if (token === "{" || token === "[") {
      depth++;
      isExcessive ||= depth > MAX_DEPTH;
    } else if (token === "}" || token === "]") {
      depth--;
    } else if (!token.startsWith('"')) {
      commas += token.split(",").length - 1;
      isExcessive ||= commas > MAX_COMMAS;
    }
    if (/[^\0- ]/.test(token)) last = token;
  }
  return { length: -1, isWhole: depth === 0 && last === "}", isExcessive };
}

function decode(
  frame: Uint8Array,
): { message: Reading["message"]; isFatal: boolean; isObject: boolean } {
  let text = "";
  try {
    text = decoder.decode(frame);
    const value = JSON.parse(text);
    return {
      message: understood(value),
      isFatal: false,
      isObject: isObject(value),
    };
  } catch {
    const isFatal = /^[A-Z]+ \S+ HTTP\/\d/.test(text);
    return { message: undefined, isFatal, isObject: false };
  }
}

function understood(value: unknown): Reading["message"] {
  if (!isObject(value)) return undefined;
  const names = Object.keys(value);
  const [name] = names;
  const fields = value[name];
  if (names.length !== 1 || !Object.hasOwn(REQUESTS, name)) return undefined;
  if (!isObject(fields)) return undefined;
  const kinds = REQUESTS[name];
  const hasAll = Object.entries(kinds).every(([field, kind]) =>
    Object.hasOwn(fields, field) ? isOf(kind, fields[field]) : kind !== "text"
  );
  const hasMore = Object.keys(fields).some((field) =>
    !Object.hasOwn(kinds, field)
  );
  return hasAll && !hasMore ? [name, fields] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOf(kind: Kind, value: unknown): boolean {
  switch (kind) {
    case "text":
    case "optional text":
      return typeof value === "string" && value.isWellFormed();
    case "flag":
      return typeof value === "boolean";
    case "count":
      return Number.isInteger(value) && Number(value) >= 1 &&
        Number(value) <= MAX_PAGE_ENTRIES;
  }
}
