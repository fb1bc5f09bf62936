import { parseAddr } from "../addr.ts";
import { UsageError } from "./errors.ts";

/** Reads a number of bytes, such as `4096`, `64K`, `512MiB` or `2G`. */
export function parseBytes(text: string, flag: string): number {
  const match = /^([0-9]{1,15})(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  if (match === null) {
    throw new UsageError(
      `--${flag} must be a number of bytes such as 4096 or 512M, found "${text}"`,
    );
  }
  const [, digits, unit = ""] = match;
  return Number(digits) * 1024 ** " KMGT".indexOf(unit.toUpperCase() || " ");
}

/** Reads a number that is not negative. */
export function parseNumber(text: string, flag: string): number {
  if (/^[0-9]{1,10}(\.[0-9]{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} must be a number, found "${text}"`);
}

/** Reads a number of seconds; returns milliseconds. */
export function parseSeconds(text: string, flag: string): number {
  return Math.ceil(parseNumber(text, flag) * 1000);
}

/** Checks an address, `HOST:PORT`; `source` says where it is from. */
export function checkAddr(text: string, source = ""): string {
  return asUsage(TypeError, () => {
    parseAddr(text);
    return text;
  }, source);
}

/** Makes an error of some class one of usage: an option is out of range. */
export function asUsage<T>(
  kind: typeof RangeError | typeof TypeError,
  check: () => T,
  source = "",
): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    throw new UsageError(`${source}${error.message}`);
  }
}
