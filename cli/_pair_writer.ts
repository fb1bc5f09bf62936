import { setImmediate } from "node:timers/promises";
import { JsonBytes } from "../protocol/json_bytes.ts";
import { writeBytes } from "./_output.ts";
import type { Pair } from "./_pairs.ts";

/** Lines are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 256 * 1024;

const encoder = new TextEncoder();
const KEY_HEAD = encoder.encode('{"key":"');
const VALUE_BETWEEN = encoder.encode('","value":"');
const TAIL = encoder.encode('"}\n');
const TAB = encoder.encode("\t");
const NEWLINE = encoder.encode("\n");

/** How to print pairs. */
export type PairFormat =
  /** A line `{"key":"k","value":"v"}` each. */
  | "json"
  /** A line of key, tab and value each, as they are. */
  | "text";

/**
 * Prints pages of pairs on standard output.
 *
 * @param pages The pages.
 * @param format How to print them; where they have no values, keys alone.
 * @param onPairs Told of the pairs that were printed.
 * @returns Whether all were printed; not where the reader has gone.
 * @throws {Error} If a key or value has no JSON.
 */
export async function printPairs(
  pages: AsyncIterable<readonly Pair[]>,
  format: PairFormat,
  onPairs: (count: number) => void = () => {},
): Promise<boolean> {
  const out = new JsonBytes();
  const append = format === "json" ? appendJson : appendText;
  for await (const page of pages) {
    for (const pair of page) {
      append(out, pair);
      if (out.length < GATHER_BYTES) continue;
      if (!writeBytes(out.bytes())) return false;
      out.clear();
    }
    onPairs(page.length);
    // Lets signals and timers in, which an engine on this thread does not.
    await setImmediate();
  }
  return writeBytes(out.bytes());
}

function appendJson(out: JsonBytes, { key, value }: Pair): void {
  out.literal(KEY_HEAD);
  appendString(out, key);
  if (value !== undefined) {
    out.literal(VALUE_BETWEEN);
    appendString(out, value);
  }
  out.literal(TAIL);
}

function appendString(out: JsonBytes, text: string | Uint8Array): void {
  if (typeof text === "string") {
    out.text(JSON.stringify(text).slice(1, -1));
  } else if (!out.string(text)) {
    throw new Error("A key or value is not UTF-8 text, and has no JSON");
  }
}

function appendText(out: JsonBytes, { key, value }: Pair): void {
  appendPlain(out, key);
  if (value !== undefined) {
    out.literal(TAB);
    appendPlain(out, value);
  }
  out.literal(NEWLINE);
}

function appendPlain(out: JsonBytes, text: string | Uint8Array): void {
  if (typeof text === "string") out.text(text);
  else out.copy(text);
}
