import { checkedToken } from "../protocol/token.ts";
import type { Log } from "../monitor/log.ts";

const VARIABLE = "KVS_TOKEN";

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
    const token = readVariable();
    return token === undefined ? undefined : checked(token, VARIABLE);
  }
  const token = readFile("auth-file", path).replace(/\r?\n$/, "");
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
  return checked(token, `File "${path}"`);
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
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "it does not exist"
      : error.message;
    throw new Error(`Cannot read --${flag} "${path}": ${reason}`, {
      cause: error,
    });
  }
}

function readVariable(): string | undefined {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: VARIABLE,
  });
  return state === "granted" ? Deno.env.get(VARIABLE) : undefined;
}

function checked(token: string, from: string): string {
  try {
    return checkedToken(token);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`${from} holds no token: ${error.message}`);
  }
}
