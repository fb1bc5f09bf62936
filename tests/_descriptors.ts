/**
 * Processes that may open few files.
 *
 * @module
 */

import { packageFlags } from "../bench/support/deno_flags.ts";

/**
 * Has a module run in a process with few descriptors.
 *
 * @param limit How many it may have.
 * @param module The module.
 * @param args Its arguments.
 */
export function underLimit(
  limit: number,
  module: URL,
  ...args: string[]
): Deno.Command {
  return new Deno.Command("sh", {
    args: [
      "-c",
      `ulimit -n ${limit}; exec "$0" run -A --quiet --no-check "$@"`,
      Deno.execPath(),
      ...packageFlags(),
      module.href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
