import { isUtf8 } from "node:buffer";
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  matches,
  NEWLINE,
  OPEN_BRACE,
  QUOTE,
  skipPlainText,
  SPACE,
  TAB,
} from "../../protocol/json/bytes.ts";
import { PairBlock } from "./pair_block.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What encoders write around keys and values, with or without blanks. */
function spelling(blank: string) {
  return {
    head: encoder.encode(`{"key":${blank}"`),
    between: encoder.encode(`",${blank}"value":${blank}"`),
  };
}

const COMPACT = spelling("");
const SPACED = spelling(" ");
const TAIL = encoder.encode('"}');
/** JSON after a byte order mark, which some editors write. */
const MARKED_BRACE = encoder.encode("\ufeff{");
const BLANK_AT = '{"key":'.length;

/** The formats of lines. */
export const LINE_FORMATS = ["json", "tab"] as const;

/** The format of all lines of a text. */
export type LineFormat = typeof LINE_FORMATS[number];

/** A line that is not a pair. */
export class LineError extends Error {
  override name = "LineError";

  constructor(line: number, reason: string) {
    super(`Line ${line}: ${reason}`);
  }
}

/**
 * Reads pairs from lines `{"key":"k","value":"v"}`, or key, tab and value.
 *
 * Lines without escapes, of which import files mostly consist, are read without
 * an object for each: JSON.parse() takes 7 times as long for them, and views of
 * keys and values, as the decoder of requests makes them, 1.8 times.
 */
export class PairParser {
  #format: LineFormat | undefined;
  #line = 0;
  /** The pairs of the lines that are being read. */
  #pairs = new PairBlock(new Uint8Array(0));
  /** The first line that is not a pair. */
  error: LineError | undefined;

  /** By default the format is JSON if the first line begins with a brace. */
  constructor(format?: LineFormat) {
    this.#format = format;
  }

  /** The number of lines read, including one with an error. */
  get lines(): number {
    return this.#line;
  }

  /**
   * Reads whole lines up to the first {@linkcode error}, and skips blank ones.
   * The pairs are in the given bytes, in which escapes are decoded in place.
   */
  parse(bytes: Uint8Array): PairBlock {
    const pairs = new PairBlock(bytes);
    this.#pairs = pairs;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isText = isUtf8(bytes);
    for (let from = 0; from < bytes.length && this.error === undefined;) {
      const newline = bytes.indexOf(NEWLINE, from);
      const end = newline < 0 ? bytes.length : newline;
      this.#line++;
      this.#parseLine(view, from, end, isText);
      from = end + 1;
    }
    return pairs;
  }

  #parseLine(
    view: DataView,
    from: number,
    end: number,
    isText: boolean,
  ): void {
    const { bytes } = this.#pairs;
    if (end === from || (end === from + 1 && bytes[from] === CARRIAGE_RETURN)) {
      return;
    }
    if (!isText && !isUtf8(bytes.subarray(from, end))) {
      return this.#fail("it is not UTF-8 text");
    }
    if (this.#line === 1 && this.#format !== "tab") {
      if (matches(bytes, from, MARKED_BRACE)) from += MARKED_BRACE.length - 1;
    }
    this.#format ??= bytes[from] === OPEN_BRACE ? "json" : "tab";
    if (this.#format === "json") {
      if (!readCanonical(this.#pairs, view, from, end)) {
        this.#readJson(from, end);
      }
      return;
    }
    const tab = bytes.indexOf(TAB, from);
    if (tab < 0 || tab >= end) {
      return this.#fail("expected a key, a tab and a value, found no tab");
    }
    // The line ends in CR LF.
    const valueEnd = bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.#pairs.add(from, tab, tab + 1, valueEnd);
  }

  #readJson(from: number, end: number): void {
    const line = this.#pairs.bytes.subarray(from, end);
    let pair: unknown;
    try {
      pair = JSON.parse(decoder.decode(line));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.#fail(`malformed JSON: ${reason}`);
    }
    if (
      typeof pair !== "object" || pair === null ||
      !("key" in pair) || typeof pair.key !== "string" ||
      !("value" in pair) || typeof pair.value !== "string" ||
      Object.keys(pair).length !== 2
    ) return this.#fail('expected {"key":"…","value":"…"}');
    if (!pair.key.isWellFormed() || !pair.value.isWellFormed()) {
      return this.#fail("it holds a lone surrogate, which has no UTF-8 form");
    }
    // It fits: JSON is never shorter than the text that it encodes.
    const keyBytes = encoder.encodeInto(pair.key, line).written;
    const rest = line.subarray(keyBytes);
    const valueBytes = encoder.encodeInto(pair.value, rest).written;
    const keyEnd = from + keyBytes;
    this.#pairs.add(from, keyEnd, keyEnd, keyEnd + valueBytes);
  }

  #fail(reason: string): void {
    this.error = new LineError(this.#line, reason);
  }
}

/** Reads a line in the usual format without escapes, or returns false. */
function readCanonical(
  pairs: PairBlock,
  view: DataView,
  from: number,
  end: number,
): boolean {
  const { bytes } = pairs;
  const { head, between } = bytes[from + BLANK_AT] === SPACE ? SPACED : COMPACT;
  if (!matches(bytes, from, head)) return false;
  const keyFrom = from + head.length;
  const keyEnd = stringEnd(bytes, view, keyFrom, end);
  if (keyEnd < 0 || !matches(bytes, keyEnd, between)) return false;
  const valueFrom = keyEnd + between.length;
  const valueEnd = stringEnd(bytes, view, valueFrom, end);
  if (valueEnd < 0 || !matches(bytes, valueEnd, TAIL)) return false;
  if (valueEnd + TAIL.length !== end) return false;
  pairs.add(keyFrom, keyEnd, valueFrom, valueEnd);
  return true;
}

/** The place of the quotation mark after a string without escapes, or -1. */
function stringEnd(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  end: number,
): number {
  for (let i = skipPlainText(view, from, end); i < end; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH || byte < SPACE) return -1;
  }
  return -1;
}
