import { UsageError } from "./errors.ts";

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/**
 * Spells a number of bytes for a person.
 *
 * @param bytes The number.
 * @returns Such as `17 bytes` or `1.5 MiB`.
 */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/**
 * Reads a number of bytes as a person spells it.
 *
 * @param flag The flag it belongs to, for the error.
 * @param text Such as `4096`, `64K`, `512MiB` or `2G`; units are powers of
 * 1,024.
 * @returns The number, or `undefined` for no text.
 * @throws {UsageError} If it is no such number.
 */
export function parseBytes(
  flag: string,
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  const match = /^([0-9]{1,15})(?:([KMGT])(?:i?B)?)?$/i.exec(text);
  if (match === null) {
    throw new UsageError(
      `--${flag} must be a number of bytes such as 4096 or 512M, found "${text}"`,
    );
  }
  const [, digits, unit = ""] = match;
  return Number(digits) * 1024 ** " KMGT".indexOf(unit.toUpperCase() || " ");
}
