/**
 * The secret that a client shows to be let in.
 *
 * @module
 */

/** The longest token, in bytes of UTF-8. */
export const MAX_TOKEN_BYTES = 4096;

/**
 * Checks a token that somebody has chosen.
 *
 * @param token The token.
 * @returns The same.
 * @throws {RangeError} If it is empty, too long, not well-formed more than a
 * line, or holds U+FFFD. The message does not repeat it.
 */
export function checkedToken(token: string): string {
  if (token === "") throw new RangeError("A token must not be empty");
  const { length } = new TextEncoder().encode(token);
  if (length > MAX_TOKEN_BYTES) {
    throw new RangeError(
      `A token must have at most ${MAX_TOKEN_BYTES} bytes, found ${length}`,
    );
  }
  if (!token.isWellFormed() || /[\r\n]/.test(token)) {
    throw new RangeError("A token must be one line of Unicode text");
  }
  // What launched the program has put it in place of bytes that are no text:
  // tokens that differ there would be the same.
  if (token.includes("\ufffd")) {
    throw new RangeError("A token must not hold U+FFFD, a replaced character");
  }
  return token;
}
