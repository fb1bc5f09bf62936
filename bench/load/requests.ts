/**
 * Requests, as bytes that were made before they are needed, and what their
 * replies look like.
 *
 * @module
 */

import type { DataSet, Dialect, LoadPlan, Operation } from "./plan.ts";

/** The length of a key, in bytes: that of redis-benchmark's keys. */
export const KEY_BYTES = 16;

const KEY_PREFIX = "key:";
const KEY_DIGITS = KEY_BYTES - KEY_PREFIX.length;
const DIGIT_ZERO = 48;

/** Where values are cut from; random, so that they do not compress to nothing. */
const VALUE_TEXT_BYTES = 1 << 16;
const LETTERS =
  "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The least number of batches to draw before they are sent again. */
const MIN_BATCHES = 4096;

const encoder = new TextEncoder();

/** Each reply to a plan's requests; they are all of one length. */
export interface ReplyShape {
  /** The length of a reply, in bytes. */
  readonly lengthBytes: number;
  /** Where a byte stands that tells a reply from an error. */
  readonly markAt: number;
  /** That byte. */
  readonly mark: number;
}

/** The last byte of a reply in either dialect. */
export const REPLY_END = 10;

/** The requests of a plan. */
export interface Requests {
  /** Batches of requests, each to be sent in one go. */
  readonly batches: readonly Uint8Array<ArrayBuffer>[];
  /** The length of a request, in bytes; it is the same for all. */
  readonly requestBytes: number;
  /** What each reply looks like. */
  readonly reply: ReplyShape;
}

/** A small generator of random numbers, the same on every run. */
export function randomNumbers(seed: number): (below: number) => number {
  // Mulberry32.
  let state = seed;
  return (below) => {
    state = state + 0x6d2b79f5 | 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * below);
  };
}

/** Makes the requests of a plan. */
export function makeRequests(plan: LoadPlan, seed: number): Requests {
  const { data, dialect, operation, depth, isFill = false } = plan;
  const template = makeTemplate(dialect, operation, data);
  const { keys } = data;
  const random = randomNumbers(seed);
  const order = isFill ? shuffled(keys, random) : undefined;
  const count = order?.length ?? Math.max(keys, MIN_BATCHES * depth);
  const length = template.bytes.length;
  const values = operation === "set" ? valueText(data.valueBytes) : undefined;
  const bytes = new Uint8Array(count * length);
  for (let i = 0, at = 0; i < count; i++, at += length) {
    const key = order?.[i] ?? random(keys);
    bytes.set(template.bytes, at);
    putDigits(bytes, at + template.keyAt + KEY_PREFIX.length, key);
    if (values !== undefined) {
      const from = key % VALUE_TEXT_BYTES;
      bytes.set(
        values.subarray(from, from + data.valueBytes),
        at + template.valueAt,
      );
    }
  }
  const batches: Uint8Array<ArrayBuffer>[] = [];
  // A fill may end with a shorter batch; of others a rest is left unused.
  const end = isFill ? count : count - count % depth;
  for (let i = 0; i < end; i += depth) {
    batches.push(bytes.subarray(i * length, Math.min(end, i + depth) * length));
  }
  return {
    batches,
    requestBytes: length,
    reply: replyShape(dialect, operation, data.valueBytes),
  };
}

/** A request with room for its key's digits and its value. */
interface Template {
  readonly bytes: Uint8Array;
  readonly keyAt: number;
  readonly valueAt: number;
}

function makeTemplate(
  dialect: Dialect,
  operation: Operation,
  data: DataSet,
): Template {
  const key = KEY_PREFIX + "0".repeat(KEY_DIGITS);
  const value = "-".repeat(data.valueBytes);
  const text = dialect === "json"
    ? operation === "get"
      ? `{"Get":{"key":"${key}"}}\n`
      : `{"Set":{"key":"${key}","value":"${value}"}}\n`
    : operation === "get"
    ? resp("GET", key)
    : resp("SET", key, value);
  const keyAt = text.indexOf(key);
  return {
    bytes: encoder.encode(text),
    keyAt,
    valueAt: text.indexOf(value, keyAt + KEY_BYTES),
  };
}

function resp(...words: string[]): string {
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

function replyShape(
  dialect: Dialect,
  operation: Operation,
  valueBytes: number,
): ReplyShape {
  const value = "-".repeat(valueBytes);
  // `{"Ok"…` and `{"Err"…` differ in the third byte, `$100…` and `-ERR` (and
  // `$-1`) in the second at the latest.
  const [text, markAt] = dialect === "json"
    ? [operation === "get" ? `{"Ok":"${value}"}\n` : `{"Ok":null}\n`, 2]
    : [operation === "get" ? `$${valueBytes}\r\n${value}\r\n` : `+OK\r\n`, 1];
  return {
    lengthBytes: text.length,
    markAt,
    mark: text.charCodeAt(markAt),
  };
}

function putDigits(bytes: Uint8Array, at: number, key: number): void {
  let rest = key;
  for (let i = KEY_DIGITS - 1; i >= 0; i--) {
    bytes[at + i] = DIGIT_ZERO + rest % 10;
    rest = Math.floor(rest / 10);
  }
}

function valueText(valueBytes: number): Uint8Array {
  const random = randomNumbers(1);
  return Uint8Array.from(
    { length: VALUE_TEXT_BYTES + valueBytes },
    () => LETTERS.charCodeAt(random(LETTERS.length)),
  );
}

function shuffled(
  count: number,
  random: (below: number) => number,
): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
