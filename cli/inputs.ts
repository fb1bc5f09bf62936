/**
 * What a command reads besides its arguments: files, and variables of the
 * environment.
 *
 * @module
 */

import { holdsCertificate } from "../client/dial.ts";
import type { Log } from "../monitor/log.ts";
import { checkedToken } from "../protocol/token.ts";

const TOKEN_VARIABLE = "KVS_TOKEN";

// Keeps a byte order mark.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The permission of a file by which every user may read it. */
const OTHERS_MAY_READ = 0o004;

/**
 * Reads a variable of the environment; `undefined` if it is not set, or may not
 * be read. The error for a value that is not Unicode can be replaced, since the
 * runtime's would repeat a secret.
 */
export function readVariable(
  name: string,
  notText = () => new Error(`Environment variable ${name} is not Unicode text`),
): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  if (state !== "granted") return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw notText();
  }
}

/**
 * Reads the token from a file, or else from the environment. It is never an
 * argument, since other users of the machine can see those; nor do errors
 * repeat it.
 */
export function readToken(
  path: string | undefined,
  log?: Log,
): string | undefined {
  if (path === undefined) {
    const notText = () => notTextToken(TOKEN_VARIABLE);
    const token = readVariable(TOKEN_VARIABLE, notText);
    return token === undefined ? undefined : checked(token, TOKEN_VARIABLE);
  }
  const source = `File "${path}"`;
  const text = decoded(reading("auth-file", path, Deno.readFileSync), source);
  const { mode } = Deno.statSync(path);
  if (mode !== null && (mode & OTHERS_MAY_READ) !== 0) {
    const message =
      `Every user of this machine can read the token in "${path}"`;
    log?.("warn", message, { path });
  }
  return checked(text.replace(/\r?\n$/, ""), source);
}

/** Reads a text file that a flag names. */
export function readFile(flag: string, path: string): string {
  return reading(flag, path, Deno.readTextFileSync);
}

/** Reads a file of certificates that a flag names. */
export function readCertificates(flag: string, path: string): string {
  const pem = readFile(flag, path);
  if (holdsCertificate(pem)) return pem;
  throw new Error(`Cannot use --${flag} "${path}": no certificate in it`);
}

/** Opens a file for reading, which a flag or an operand names. */
export function openFile(flag: string | undefined, path: string): Deno.FsFile {
  return reading(flag, path, (path) => {
    const file = Deno.openSync(path);
    if (!file.statSync().isDirectory) return file;
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
      // Without the path, which the message has already.
      : error.message.replace(/: (open|readfile) '[^]*'$/, "");
    const named = flag === undefined ? "" : `--${flag} `;
    throw new Error(`Cannot read ${named}"${path}": ${reason}`, {
      cause: error,
    });
  }
}

/** Replacing bytes that are not text would make different tokens equal. */
function decoded(bytes: Uint8Array, source: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw notTextToken(source);
  }
}

function notTextToken(source: string): Error {
  return new Error(`${source} holds no token: A token must be UTF-8 text`);
}

function checked(token: string, source: string): string {
  try {
    return checkedToken(token);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`${source} holds no token: ${error.message}`);
  }
}
