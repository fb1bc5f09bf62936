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
