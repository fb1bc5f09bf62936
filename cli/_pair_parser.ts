import { isUtf8 } from "node:buffer";
import type { Write } from "../engine/engine.ts";
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  matches,
  NEWLINE,
  OPEN_BRACE,
  QUOTE,
  SPACE,
  TAB,
} from "../protocol/bytes.ts";
import { skipPlainText } from "../protocol/plain_text.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What stands around keys and values, as one kind of encoder spells it. */
function spelling(blank: string) {
  return {
    head: encoder.encode(`{"key":${blank}"`),
    between: encoder.encode(`",${blank}"value":${blank}"`),
  };
}

const COMPACT = spelling("");
const SPACED = spelling(" ");
const TAIL = encoder.encode('"}');
const BLANK_AT = '{"key":'.length;

/** How the pairs of a text are spelled. */
export type LineFormat = "json" | "tab";

/** A line that is no pair. */
export class LineError extends Error {
  override name = "LineError";

  /**
   * @param line The line's number, from 1.
   * @param reason What is wrong with it.
   */
  constructor(line: number, reason: string) {
    super(`Line ${line}: ${reason}`);
  }
}

/** Reads pairs from lines `{"key":"k","value":"v"}`, or key, tab and value. */
export class PairParser {
  #format: LineFormat | undefined;
  #line = 0;
  /** What is wrong with the first line that is wrong. */
  error: LineError | undefined;

  /**
   * @param format How lines are spelled; by default as the first one is: JSON
   * if it begins with a brace.
   */
  constructor(format?: LineFormat) {
    this.#format = format;
  }

  /** How many lines were read, the one with the error included. */
  get lines(): number {
    return this.#line;
  }

  /**
   * Reads whole lines. Blank ones are skipped.
   *
   * @param bytes The lines.
   * @returns Their pairs, maybe views of `bytes`, up to the first line that is
   * none; that one is named in {@linkcode error}.
   */
  parse(bytes: Uint8Array): Write[] {
    const pairs: Write[] = [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isText = isUtf8(bytes);
    for (let from = 0; from < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, from);
      const end = newline < 0 ? bytes.length : newline;
      this.#line++;
      const pair = this.#parseLine(bytes, view, from, end, isText);
      if (this.error !== undefined) return pairs;
      if (pair !== undefined) pairs.push(pair);
      from = end + 1;
    }
    return pairs;
  }

  #parseLine(
    bytes: Uint8Array,
    view: DataView,
    from: number,
    end: number,
    isText: boolean,
  ): Write | undefined {
    const line = () => bytes.subarray(from, end);
    if (end === from || (end === from + 1 && bytes[from] === CARRIAGE_RETURN)) {
      return undefined;
    }
    if (!isText && !isUtf8(line())) return this.#fail("it is not UTF-8 text");
    this.#format ??= bytes[from] === OPEN_BRACE ? "json" : "tab";
    if (this.#format === "json") {
      return readCanonical(bytes, view, from, end) ??
        this.#readJson(decoder.decode(line()));
    }
    const tab = bytes.indexOf(TAB, from);
    if (tab < 0 || tab >= end) {
      return this.#fail("expected a key, a tab and a value, found no tab");
    }
    return {
      key: bytes.subarray(from, tab),
      value: bytes.subarray(tab + 1, end),
    };
  }

  #readJson(line: string): Write | undefined {
    let pair: unknown;
    try {
      pair = JSON.parse(line);
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
    return {
      key: encoder.encode(pair.key),
      value: encoder.encode(pair.value),
    };
  }

  #fail(reason: string): undefined {
    this.error = new LineError(this.#line, reason);
    return undefined;
  }
}

/** Reads a line as encoders usually spell it, without escapes. */
function readCanonical(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  end: number,
): Write | undefined {
  const { head, between } = bytes[from + BLANK_AT] === SPACE ? SPACED : COMPACT;
  if (!matches(bytes, from, head)) return undefined;
  const keyFrom = from + head.length;
  const keyEnd = stringEnd(bytes, view, keyFrom, end);
  if (keyEnd < 0 || !matches(bytes, keyEnd, between)) return undefined;
  const valueFrom = keyEnd + between.length;
  const valueEnd = stringEnd(bytes, view, valueFrom, end);
  if (valueEnd < 0 || !matches(bytes, valueEnd, TAIL)) return undefined;
  if (valueEnd + TAIL.length !== end) return undefined;
  return {
    key: bytes.subarray(keyFrom, keyEnd),
    value: bytes.subarray(valueFrom, valueEnd),
  };
}

/** Where the quotation mark is that ends a string without escapes, or -1. */
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
