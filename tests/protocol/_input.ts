/**
 * Input as no client should send it.
 *
 * @module
 */

import { Random } from "../engine/kvs/_helpers.ts";
import { type Message, spell } from "./_spelling.ts";

const encoder = new TextEncoder();

/** Characters that JSON, UTF-8 or the framing treat in a special way. */
const SPECIAL = [...'\0\b\t\n\f\r\x1f "\\/{}[]:,aé\u2028€\ufeff😀\ud800'];

/** What is worth putting into a request. */
const TOKENS = [
  ...SPECIAL,
  ...['"', "\\", "{", "}", "[", "]", ":", ",", "\n", "\r\n", " ", "}}", '{"'],
  ...['"}}', '"}}\n', '\n{"', '{"Get":{"key":"', '","value":"', ',"key":""'],
  ...["\\u12", "\\ud800", "\\udc00", "\\u0000", "null", "true", "-0", "1e999"],
  ...["[".repeat(33), '{"a":'.repeat(33), "]".repeat(33), "}".repeat(33)],
  ...["GET / HTTP/1.1\r\n", '"__proto__":{}', '"key":null', '"limit":1'],
].map((text) => encoder.encode(text));

/** Requests of the kinds that are rare or costly. */
const RARE = [
  '{"Scan":{"prefix":"a","limit":3,"reverse":true,"keys":true}}',
  '{"Scan":{"start":"a","end":"b","after":"a"}}',
  '{"Auth":{"token":"sesame"}}',
  '{"Snapshot":{"release":true}}',
  '{"Compact":{}}',
  '{"Stats":{}}',
];

/** The others, spelled once, since that takes longer than to damage them. */
const USUAL = makeUsual(new Random(1), 4_096);

/**
 * Makes an input: a few requests, most of them damaged, or mere bytes.
 *
 * @param random What it is made of.
 * @returns The bytes.
 */
export function makeInput(random: Random): Uint8Array<ArrayBuffer> {
  if (random.below(8) === 0) return randomBytes(random, random.below(60));
  let text = "";
  for (let i = random.below(2); i >= 0; i--) {
    const from = random.below(20) === 0 ? RARE : USUAL;
    text += from[random.below(from.length)];
    text += random.below(6) === 0 ? "" : random.below(6) === 0 ? "\r\n" : "\n";
  }
  let bytes = encoder.encode(text);
  for (let i = random.below(4); i > 0; i--) bytes = mutated(bytes, random);
  return bytes;
}

/**
 * Cuts an input as a network might.
 *
 * @param bytes The input.
 * @param random Says where.
 * @returns The pieces, none of them empty.
 */
export function cut(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const kind = random.below(32);
  const most = kind === 0 ? 1 : kind < 4 ? 8 : kind < 16 ? 40 : 1_000;
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(most);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

function makeUsual(random: Random, count: number): string[] {
  return Array.from(
    { length: count },
    () => spell(makeMessage(random), (count) => random.below(count)),
  );
}

function makeMessage(random: Random): Message {
  const key = ["key", makeText(random)] as const;
  switch (random.below(3)) {
    case 0:
      return { name: "Get", fields: [key] };
    case 1:
      return { name: "Remove", fields: [key] };
    default:
      return { name: "Set", fields: [key, ["value", makeText(random)]] };
  }
}

function makeText(random: Random): string {
  let text = "";
  const isPlain = random.below(2) === 0;
  for (let i = random.below(12); i > 0; i--) {
    text += isPlain
      ? String.fromCharCode(97 + random.below(26))
      : SPECIAL[random.below(SPECIAL.length)];
  }
  return text.toWellFormed();
}

function randomBytes(random: Random, count: number): Uint8Array<ArrayBuffer> {
  const isSpecial = random.below(2) === 0;
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    bytes[i] = isSpecial
      ? TOKENS[random.below(TOKENS.length)][0]
      : random.below(256);
  }
  return bytes;
}

function mutated(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + random.below(8));
  switch (random.below(6)) {
    case 0: {
      const flipped = bytes.slice();
      if (at < bytes.length) flipped[at] ^= 1 << random.below(8);
      return flipped;
    }
    case 1:
      return joined(bytes.subarray(0, at), bytes.subarray(end));
    case 2:
      return bytes.slice(0, at);
    case 3:
      return joined(bytes.subarray(0, end), bytes.subarray(at));
    default: {
      const token = TOKENS[random.below(TOKENS.length)];
      return joined(bytes.subarray(0, at), token, bytes.subarray(at));
    }
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
