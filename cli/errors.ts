import { isUtf8 } from "node:buffer";
import { counted } from "./format.ts";

/** What the user asked for makes no sense; the help says what does. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** How the answer of a server begins that requires a token. */
const AUTH_REQUIRED = "Authentication required:";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Says what went wrong in one line for a person, without a stack trace. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [refused, after] = error.message.split(AUTH_REQUIRED);
  if (after !== undefined) {
    return `${refused}${AUTH_REQUIRED} show the server's token with --auth-file FILE or KVS_TOKEN`;
  }
  return error.message.replaceAll("\n", " ") || error.name;
}

/** The error of pairs that can't be printed; it names all their keys. */
export function notTextError(keys: readonly (string | Uint8Array)[]): Error {
  const [are, noun] = keys.length === 1 ? ["is", "key"] : ["are", "keys"];
  return new Error(
    `Cannot print ${
      counted(keys.length, "pair")
    } that ${are} not UTF-8 text, with the ${noun} ${
      keys.map(quotedKey).join(", ")
    }; the library reads any bytes, with getBytes()`,
  );
}

/** Quotes a key; bytes that are not text are escaped as `\xff`. */
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
