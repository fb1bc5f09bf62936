/**
 * Tables, for terminals and for Markdown.
 *
 * @module
 */

import type { Spread } from "../support/spread.ts";

/** A table; all of its rows are as long as its head. */
export interface Table {
  /** The names of the columns. */
  readonly head: readonly string[];
  /** The rows. */
  readonly rows: readonly (readonly string[])[];
}

/**
 * Lays a table out: its first column to the left, the others to the right.
 * The result is Markdown that can be read as it is.
 */
export function layOut({ head, rows }: Table): string {
  const widths = head.map((name, column) =>
    Math.max(3, name.length, ...rows.map((row) => row[column].length))
  );
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]);
  const line = (cells: readonly string[]) =>
    `| ${cells.map(pad).join(" | ")} |\n`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`
  );
  return line(head) + line(rule) + rows.map(line).join("");
}

/**
 * A number of three digits, short: `8.30`, `12.3k`, `1.04M`; `–` for none, which
 * JSON spells `null`.
 */
export function shortNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value >= 999_500) return `${threeDigits(value / 1e6)}M`;
  if (value >= 999.5) return `${threeDigits(value / 1e3)}k`;
  return threeDigits(value);
}

/** A spread, short: its median, and what it is between if that is more. */
export function spreadInWords({ median, min, max }: Spread): string {
  const [middle, least, greatest] = [median, min, max].map(shortNumber);
  return least === greatest ? middle : `${middle} (${least} – ${greatest})`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
