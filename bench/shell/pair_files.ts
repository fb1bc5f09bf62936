/**
 * Files of pairs to import.
 *
 * @module
 */

import type { LineFormat } from "../../cli/pairs/pair_parser.ts";
import { writeAll } from "../../engine/files.ts";
import { KEY_BYTES, randomNumbers } from "../load/requests.ts";
import { DATA } from "../support/workload.ts";

/** In which order keys come. */
export const ORDERS = ["random", "sorted"] as const;

/** One of them. */
export type Order = typeof ORDERS[number];

/** How pairs are spelled. */
export const FORMATS: readonly LineFormat[] = ["json", "tab"];

const KEY_PREFIX = "key:";

/** Text is gathered up to this size, in bytes, before it is written. */
const GATHER_BYTES = 2 ** 20;

const encoder = new TextEncoder();

/** Writes a file of pairs: keys of 16 bytes, values of 100. */
export function writePairs(
  path: string,
  count: number,
  order: Order,
  format: LineFormat,
): void {
  using file = Deno.openSync(path, { write: true, create: true });
  let text = "";
  for (const number of numbers(count, order)) {
    const digits = KEY_BYTES - KEY_PREFIX.length;
    const key = `${KEY_PREFIX}${String(number).padStart(digits, "0")}`;
    const value = `${number}`.padEnd(DATA.valueBytes, "v");
    text += format === "json"
      ? `${JSON.stringify({ key, value })}\n`
      : `${key}\t${value}\n`;
    if (text.length < GATHER_BYTES) continue;
    writeAll(file, encoder.encode(text));
    text = "";
  }
  writeAll(file, encoder.encode(text));
}

/** The numbers below a count, each once. */
function numbers(count: number, order: Order): Uint32Array {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  if (order === "sorted") return numbers;
  const random = randomNumbers(1);
  // Fisher and Yates.
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}
