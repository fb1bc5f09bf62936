/**
 * The answers of the protocol as a client reads them.
 *
 * @module
 */

/** The error that answers the removal of a key that is not there. */
export const KEY_NOT_FOUND = "Key not found";

/** An answer: what came of a request, or why nothing did. */
export type Answer =
  | { readonly ok: unknown }
  | { readonly err: string };

/**
 * Decodes one answer.
 *
 * @param line The answer's line, with or without its newline.
 * @returns The answer.
 * @throws {SyntaxError} If it is no answer, as when another kind of server is
 * at the other end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(decodeAnswer('{"Ok":"v"}'), { ok: "v" });
 * assertEquals(decodeAnswer('{"Err":"Key not found"}'), {
 *   err: "Key not found",
 * });
 * ```
 */
export function decodeAnswer(line: string): Answer {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch {
    throw notAnAnswer(line);
  }
  if (typeof message === "object" && message !== null) {
    if ("Ok" in message) return { ok: message.Ok };
    if ("Err" in message && typeof message.Err === "string") {
      return { err: message.Err };
    }
  }
  throw notAnAnswer(line);
}

function notAnAnswer(line: string): SyntaxError {
  const shown = line.length <= 64 ? line : `${line.slice(0, 64)}…`;
  return new SyntaxError(`Not an answer: ${JSON.stringify(shown)}`);
}
