/**
 * How a benchmark begins and ends as a program.
 *
 * @module
 */

import { UsageError } from "../../cli/errors.ts";

/**
 * Runs a program; wrong arguments are a line on standard error and exit code 2.
 */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`error: ${error.message}\nTry --help`);
    Deno.exit(2);
  }
}

/** The number that a flag is given. */
export function numberOf(
  flag: string,
  text: string,
  { least = 1, most }: { least?: number; most: number },
): number {
  const number = Number(text);
  if (/^[0-9.]+$/.test(text) && number >= least && number <= most) {
    return number;
  }
  throw new UsageError(
    `--${flag} takes a number from ${least} to ${most}, found "${text}"`,
  );
}
