/**
 * The secret that a client shows to be let in.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";

/** The longest token, in bytes of UTF-8. */
export const MAX_TOKEN_BYTES = 4096;

/**
 * Checks a token that somebody has chosen.
 *
 * @param token The token.
 * @returns The same.
 * @throws {RangeError} If it is empty, too long, not well-formed or more than
 * a line. The message does not repeat it.
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
  return token;
}

/**
 * Hashes a token, so that the token itself need not be kept.
 *
 * @param token The token, as text or as UTF-8.
 * @returns Its SHA-256.
 */
export function hashToken(token: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}

/**
 * Compares a token with the one that is asked for. How long that takes tells
 * nothing of where they differ.
 *
 * @param token What was given.
 * @param hash The {@linkcode hashToken} of what is asked for.
 * @returns Whether it is the same.
 */
export function isToken(token: Uint8Array, hash: Uint8Array): boolean {
  return timingSafeEqual(hashToken(token), hash);
}
