import { isUtf8 } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import { JsonBytes } from "../../protocol/json/json_bytes.ts";
import { notTextError } from "../errors.ts";
import { writeBytes } from "../output.ts";
import type { Pair } from "../target.ts";

/** The size at which buffered lines are written. */
const BUFFER_BYTES = 256 * 1024;

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
 * Prints pairs on standard output, or keys if they have no values, until its
 * reader has gone. `onPairs` is called with the number of pairs of each page.
 * Throws at the end if pairs were left out because they are not UTF-8 text.
 */
export async function printPairs(
  pages: AsyncIterable<readonly Pair[]>,
  format: PairFormat,
  onPairs: (count: number) => void = () => {},
): Promise<void> {
  const out = new JsonBytes();
  const append = format === "json" ? appendJson : appendText;
  const leftOut: (string | Uint8Array)[] = [];
  for await (const page of pages) {
    for (const pair of page) {
      const start = out.length;
      if (pair.isUnreadable || !append(out, pair)) {
        out.cut(start);
        leftOut.push(pair.key);
      }
      if (out.length < BUFFER_BYTES) continue;
      if (!writeBytes(out.bytes())) return;
      out.clear();
    }
    onPairs(page.length);
    // Lets signals and timers run, since an engine on this thread does not wait.
    await setImmediate();
  }
  writeBytes(out.bytes());
  if (leftOut.length > 0) throw notTextError(leftOut);
}

/** Returns false, maybe after a part of it, if a pair is not text. */
function appendJson(out: JsonBytes, { key, value }: Pair): boolean {
  out.literal(KEY_HEAD);
  if (!appendString(out, key)) return false;
  if (value !== undefined) {
    out.literal(VALUE_BETWEEN);
    if (!appendString(out, value)) return false;
  }
  out.literal(TAIL);
  return true;
}

function appendString(out: JsonBytes, text: string | Uint8Array): boolean {
  if (typeof text !== "string") return out.string(text);
  out.text(JSON.stringify(text).slice(1, -1));
  return true;
}

/** Like {@linkcode appendJson}. */
function appendText(out: JsonBytes, { key, value }: Pair): boolean {
  if (!appendPlain(out, key)) return false;
  if (value !== undefined) {
    out.literal(TAB);
    if (!appendPlain(out, value)) return false;
  }
  out.literal(NEWLINE);
  return true;
}

function appendPlain(out: JsonBytes, text: string | Uint8Array): boolean {
  if (typeof text === "string") out.text(text);
  else if (isUtf8(text)) out.copy(text);
  else return false;
  return true;
}
