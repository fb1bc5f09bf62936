/**
 * What a server keeps of the secret that clients show: apart from the rest of
 * it, so that no client waits for `node:crypto`.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";

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
