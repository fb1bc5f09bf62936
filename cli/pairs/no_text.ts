import { isUtf8 } from "node:buffer";
import { KvsError } from "../../client/client_error.ts";
import { counted } from "../counted.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Tells whether a server refuses to answer since a key or value is not UTF-8
 * text, as only a program can have set it.
 *
 * @param error What was thrown.
 * @returns Whether it is that.
 */
export function isNoText(error: unknown): boolean {
  return error instanceof KvsError && /not UTF-8 text/.test(error.message);
}

/**
 * Makes the error of pairs that are not UTF-8 text.
 *
 * @param verb What can't be done with them.
 * @param keys Their keys: all of them, since nothing else tells which they are.
 * @returns The error.
 */
export function notText(
  verb: string,
  keys: readonly (string | Uint8Array)[],
): Error {
  const names = keys.map(quotedKey).join(", ");
  return new Error(
    `Cannot ${verb} ${
      counted(keys.length, "pair")
    } not of UTF-8 text, with the key${
      keys.length === 1 ? "" : "s"
    } ${names}; the library reads any bytes, with getBytes()`,
  );
}

/** Quotes a key; bytes that are no text are spelled as `\xff`. */
function quotedKey(key: string | Uint8Array): string {
  if (typeof key === "string") return JSON.stringify(key);
  if (isUtf8(key)) return JSON.stringify(decoder.decode(key));
  const text = Array.from(key, (byte) => {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 &&
      byte !== 0x5c;
    return isPlain
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`;
  });
  return `"${text.join("")}"`;
}
