import { readVariable } from "./environment.ts";
import { holdsCertificate } from "../client/dial.ts";
import { checkedToken } from "../protocol/token.ts";
import type { Log } from "../monitor/log.ts";

const VARIABLE = "KVS_TOKEN";

// A byte order mark stays what it is.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The permissions of a file by which strangers read it. */
const OTHERS_MAY_READ = 0o004;

/**
 * Reads the token to show or to ask for. It is never an argument: other users
 * of the machine see those.
 *
 * @param path The value of `--auth-file`; without it the environment counts.
 * @param log Told if others can read the file.
 * @returns The token, or `undefined` if none was given.
 * @throws {Error} If what was given is no token; the message does not repeat
 * it.
 */
export function readToken(
  path: string | undefined,
  log?: Log,
): string | undefined {
  if (path === undefined) {
    const token = readVariable(VARIABLE, () => noText(VARIABLE));
    return token === undefined ? undefined : checked(token, VARIABLE);
  }
  const from = `File "${path}"`;
  const text = decoded(reading("auth-file", path, Deno.readFileSync), from);
  const token = text.replace(/\r?\n$/, "");
  const { mode } = Deno.statSync(path);
  if (mode !== null && (mode & OTHERS_MAY_READ) !== 0) {
    log?.(
      "warn",
      `Every user of this machine can read the token in "${path}"`,
      {
        path,
      },
    );
  }
  return checked(token, from);
}

/**
 * Reads a text file that a flag names.
 *
 * @param flag The flag, for the error.
 * @param path The file.
 * @returns Its text.
 * @throws {Error} If that fails.
 */
export function readFile(flag: string, path: string): string {
  return reading(flag, path, Deno.readTextFileSync);
}

/**
 * Reads a file of certificates that a flag names.
 *
 * @param flag The flag, for the error.
 * @param path The file.
 * @returns Its text.
 * @throws {Error} If that fails, or there is no certificate in it.
 */
export function readCertificates(flag: string, path: string): string {
  const pem = readFile(flag, path);
  if (holdsCertificate(pem)) return pem;
  throw new Error(`Cannot use --${flag} "${path}": no certificate in it`);
}

/**
 * Opens a file for reading.
 *
 * @param flag The flag that names it, if one does, for the error.
 * @param path The file.
 * @returns The file.
 * @throws {Error} If that fails.
 */
export function openFile(
  flag: string | undefined,
  path: string,
): Deno.FsFile {
  return reading(flag, path, (path) => {
    const file = Deno.openSync(path);
    if (file.statSync().isFile || !file.statSync().isDirectory) return file;
    file.close();
    throw new Error("it is a directory");
  });
}

function reading<T>(
  flag: string | undefined,
  path: string,
  read: (path: string) => T,
): T {
  try {
    return read(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "it does not exist"
      // The path is there already.
      : error.message.replace(/: (open|readfile) '[^]*'$/, "");
    const named = flag === undefined ? "" : `--${flag} `;
    throw new Error(`Cannot read ${named}"${path}": ${reason}`, {
      cause: error,
    });
  }
}

/** Decodes a token. To replace what is no text would make tokens the same. */
function decoded(bytes: Uint8Array, from: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw noText(from);
  }
}

function noText(from: string): Error {
  return new Error(`${from} holds no token: A token must be UTF-8 text`);
}

function checked(token: string, from: string): string {
  try {
    return checkedToken(token);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`${from} holds no token: ${error.message}`);
  }
}
