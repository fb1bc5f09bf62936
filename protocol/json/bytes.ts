/**
 * The bytes that JSON text is made of, by name, and how to tell them.
 *
 * @module
 */

/** A tab, `\t`. */
export const TAB = 0x09;
/** A line feed, `\n`. */
export const NEWLINE = 0x0a;
/** A carriage return, `\r`. */
export const CARRIAGE_RETURN = 0x0d;
/** A space; everything below it is a control character. */
export const SPACE = 0x20;
/** A quotation mark, `"`. */
export const QUOTE = 0x22;
/** A comma, `,`. */
export const COMMA = 0x2c;
/** An opening bracket, `[`. */
export const OPEN_BRACKET = 0x5b;
/** A backslash, `\`. */
export const BACKSLASH = 0x5c;
/** A closing bracket, `]`. */
export const CLOSE_BRACKET = 0x5d;
/** An opening brace, `{`. */
export const OPEN_BRACE = 0x7b;
/** A closing brace, `}`. */
export const CLOSE_BRACE = 0x7d;
/** The first byte value that is not ASCII. */
export const NON_ASCII = 0x80;

/**
 * Whether bytes stand at a place of an array.
 *
 * @param bytes The array.
 * @param start The place.
 * @param expected The bytes: few, for which a loop beats a call.
 */
export function matches(
  bytes: Uint8Array,
  start: number,
  expected: Uint8Array,
): boolean {
  for (let i = 0; i < expected.length; i++) {
    if (bytes[start + i] !== expected[i]) return false;
  }
  return true;
}
