/**
 * Text on its way to bytes.
 *
 * @module
 */

const encoder = new TextEncoder();

/**
 * Checks that a text can be encoded without a change.
 *
 * @param text The text.
 * @throws {TypeError} If it holds a lone surrogate, which has no UTF-8 form.
 */
export function checkWellFormed(text: string): void {
  if (text.isWellFormed()) return;
  throw new TypeError(
    `Text holds a lone surrogate, which has no UTF-8 form: ${
      JSON.stringify(text.slice(0, 40))
    }`,
  );
}

/**
 * Encodes a text.
 *
 * @param text The text.
 * @returns Its bytes.
 * @throws {TypeError} If it holds a lone surrogate, which has no UTF-8 form.
 */
export function encodeText(text: string): Uint8Array {
  checkWellFormed(text);
  return encoder.encode(text);
}
