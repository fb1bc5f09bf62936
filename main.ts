/**
 * The command line of kvs.
 *
 * @module
 */

import { hasFlag } from "./cli/args.ts";
import { findCommand, runCommand } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { explain, UsageError } from "./cli/errors.ts";
import { commandHelp } from "./cli/help_text.ts";
import { complain, writeText } from "./cli/output.ts";
import { VERSION } from "./version.ts";

/** Returns the exit code: 0, 1 for a failure, 2 for wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    args.forEach(checkArgument);
    if (name === undefined) throw new UsageError("A command is missing");
    if (name === "-V" || name === "--version") return writeVersion();
    const isHelp = name === "-h" || name === "--help";
    const command = findCommand(COMMANDS, isHelp ? "help" : name);
    if (hasFlag(rest, "-h", "--help")) {
      return writeText(await commandHelp(isHelp ? "help" : name, command));
    }
    if (hasFlag(rest, "-V", "--version")) return writeVersion();
    return await runCommand(command, rest);
  } catch (error) {
    const usage = error instanceof UsageError;
    complain(`error: ${explain(error)}`);
    if (!usage) return 1;
    const help = Object.hasOwn(COMMANDS, name ?? "") && name !== "help"
      ? `kvs ${name} --help`
      : "kvs --help";
    complain(`Try '${help}'`);
    return 2;
  }
}

/** The runtime puts U+FFFD where an argument is not UTF-8. */
function checkArgument(arg: string): void {
  if (!arg.includes("\ufffd")) return;
  throw new UsageError(
    `Argument "${arg}" holds U+FFFD, or bytes that are not UTF-8 text`,
  );
}

function writeVersion(): number {
  return writeText(`kvs ${VERSION}\n`);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
