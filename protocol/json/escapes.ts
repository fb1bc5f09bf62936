/**
 * Escapes in JSON strings.
 *
 * @module
 */

import { BACKSLASH, NON_ASCII } from "./bytes.ts";

const U = "u".charCodeAt(0);

/** For each byte that may follow a backslash alone, what both stand for. */
const SHORT_ESCAPES = new Uint8Array(256);
for (const letter of '"\\/bfnrt') {
  const meant: string = JSON.parse(`"\\${letter}"`);
  SHORT_ESCAPES[letter.charCodeAt(0)] = meant.charCodeAt(0);
}

/** For each byte that is a hexadecimal digit, its value; else 16 or more. */
const HEX_VALUES = new Uint8Array(256).fill(16);
for (const digit of "0123456789abcdefABCDEF") {
  HEX_VALUES[digit.charCodeAt(0)] = parseInt(digit, 16);
}

const HIGH_SURROGATES = 0xd800;
const LOW_SURROGATES = 0xdc00;
const SURROGATES_END = 0xe000;

/**
 * Writes out what a JSON string means.
 *
 * @param bytes Bytes that hold the string.
 * @param from Where the string begins, behind its quotation mark.
 * @param to Where the quotation mark stands that ends it.
 * @param into Where to write, with room for as many bytes as are read.
 * @returns How many bytes were written, or -1 if something is no escape, or
 * stands for a lone surrogate.
 */
export function unescapeInto(
  bytes: Uint8Array,
  from: number,
  to: number,
  into: Uint8Array,
): number {
  let at = 0;
  for (let i = from; i < to;) {
    const byte = bytes[i++];
    if (byte !== BACKSLASH) {
      into[at++] = byte;
      continue;
    }
    const letter = bytes[i++];
    if (letter !== U) {
      const meant = SHORT_ESCAPES[letter];
      if (meant === 0) return -1;
      into[at++] = meant;
      continue;
    }
    // The quotation mark at the end is no digit, so nothing is read beyond it.
    let code = hexUnit(bytes, i);
    i += 4;
    if (code >= HIGH_SURROGATES && code < SURROGATES_END) {
      if (bytes[i] !== BACKSLASH || bytes[i + 1] !== U) return -1;
      const low = hexUnit(bytes, i + 2);
      if (code >= LOW_SURROGATES || low < LOW_SURROGATES) return -1;
      if (low >= SURROGATES_END) return -1;
      i += 6;
      code = 0x10000 + ((code - HIGH_SURROGATES) << 10) + low - LOW_SURROGATES;
    }
    if (code < 0) return -1;
    at = writeUtf8(code, into, at);
  }
  return at;
}

/** Reads four hexadecimal digits; negative where there are none. */
function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const value = HEX_VALUES[bytes[i]];
    if (!(value < 16)) return -1;
    unit = unit << 4 | value;
  }
  return unit;
}

function writeUtf8(code: number, into: Uint8Array, start: number): number {
  let at = start;
  if (code < NON_ASCII) {
    into[at++] = code;
    return at;
  }
  if (code < 0x800) {
    into[at++] = 0xc0 | code >> 6;
  } else if (code < 0x10000) {
    into[at++] = 0xe0 | code >> 12;
    into[at++] = 0x80 | code >> 6 & 0x3f;
  } else {
    into[at++] = 0xf0 | code >> 18;
    into[at++] = 0x80 | code >> 12 & 0x3f;
    into[at++] = 0x80 | code >> 6 & 0x3f;
  }
  into[at++] = 0x80 | code & 0x3f;
  return at;
}
