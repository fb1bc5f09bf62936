import { isUtf8 } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import { JsonBytes } from "../protocol/json_bytes.ts";
import { counted } from "./_counted.ts";
import { writeBytes } from "./_output.ts";
import type { Pair } from "./_pairs.ts";

/** Lines are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 256 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
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

/** So many keys are named of those whose pairs were left out. */
const MAX_NAMED = 10;

/**
 * Prints pages of pairs on standard output. One that is not UTF-8 text, which a
 * program can have set, is left out.
 *
 * @param pages The pages.
 * @param format How to print them; where they have no values, keys alone.
 * @param onPairs Told of the pairs that were dealt with.
 * @returns Whether all were printed; not where the reader has gone.
 * @throws {Error} If some were left out, after the others have been printed; it
 * names their keys.
 */
export async function printPairs(
  pages: AsyncIterable<readonly Pair[]>,
  format: PairFormat,
  onPairs: (count: number) => void = () => {},
): Promise<boolean> {
  const out = new JsonBytes();
  const append = format === "json" ? appendJson : appendText;
  const leftOut = new LeftOut();
  for await (const page of pages) {
    for (const pair of page) {
      const start = out.length;
      if (pair.isUnreadable || !append(out, pair)) {
        out.cut(start);
        leftOut.add(pair.key);
      }
      if (out.length < GATHER_BYTES) continue;
      if (!writeBytes(out.bytes())) return false;
      out.clear();
    }
    onPairs(page.length);
    // Lets signals and timers in, which an engine on this thread does not.
    await setImmediate();
  }
  const isRead = writeBytes(out.bytes());
  leftOut.throwIfAny();
  return isRead;
}

/** The pairs that could not be printed. */
class LeftOut {
  #count = 0;
  readonly #names: string[] = [];

  add(key: string | Uint8Array): void {
    this.#count++;
    if (this.#names.length === MAX_NAMED) return;
    const text = typeof key === "string" ? key : decoder.decode(key);
    this.#names.push(JSON.stringify(text));
  }

  throwIfAny(): void {
    if (this.#count === 0) return;
    const more = this.#count - this.#names.length;
    throw new Error(
      `Left out ${
        counted(this.#count, "pair")
      } not of UTF-8 text, with the key${this.#count === 1 ? "" : "s"} ${
        this.#names.join(", ")
      }${more > 0 ? ` and ${more} more` : ""}`,
    );
  }
}

/** Returns whether it could; if not, it may have appended a part. */
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

/** Does as {@linkcode appendJson}. */
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
