/**
 * The command line of kvs.
 *
 * @module
 */

import { explain, UsageError } from "./cli/_errors.ts";
import { writeText } from "./cli/_output.ts";
import type { Command } from "./cli/_command.ts";
import { VERSION } from "./version.ts";

/** Loaded on demand: `kvs get` should not wait for the server's code. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  serve: async () => (await import("./cli/serve.ts")).serve,
  get: async () => (await import("./cli/get.ts")).get,
  set: async () => (await import("./cli/set.ts")).set,
  rm: async () => (await import("./cli/rm.ts")).rm,
  scan: async () => (await import("./cli/scan.ts")).scan,
  export: async () => (await import("./cli/export.ts")).exportPairs,
  import: async () => (await import("./cli/import.ts")).importPairs,
  compact: async () => (await import("./cli/compact.ts")).compact,
  stats: async () => (await import("./cli/stats.ts")).stats,
  check: async () => (await import("./cli/check.ts")).check,
  completions: async () =>
    (await import("./cli/completions.ts")).completionsOf(COMMANDS),
};

const HELP = `kvs ${VERSION}: a log-structured key-value store

Usage: kvs COMMAND [OPTIONS]

Commands:
  serve           serve a data directory over TCP
  get KEY...      print the values of keys
  set KEY VALUE   set a key to a value
  rm KEY          remove a key
  scan            print keys and values in order
  export          print all pairs as JSON lines
  import [FILE]   set the pairs of a file or of standard input
  compact         give the space of old values back to the disk
  stats           show what a server does and what its store is like
  check           verify the files of a data directory
  completions     print what makes a shell complete commands

Options:
  -h, --help      show this help; 'kvs COMMAND --help' shows a command's
  -V, --version   show the version
`;

/**
 * Runs the command line.
 *
 * @param args The arguments, without the program's name.
 * @returns The exit code: 0, 1 for a failure, 2 for wrong usage.
 */
async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === "-V" || name === "--version") {
      return writeText(`kvs ${VERSION}\n`);
    }
    if (name === "-h" || name === "--help" || name === "help") {
      return writeText(HELP);
    }
    if (name === undefined) throw new UsageError("A command is missing");
    if (!Object.hasOwn(COMMANDS, name)) {
      throw new UsageError(`Unknown command "${name}"`);
    }
    const command = await COMMANDS[name]();
    if (rest.includes("--help") || rest.includes("-h")) {
      const end = rest.indexOf("--");
      const before = end < 0 ? rest : rest.slice(0, end);
      if (before.includes("--help") || before.includes("-h")) {
        return writeText(command.help);
      }
    }
    return await command.run(rest);
  } catch (error) {
    const usage = error instanceof UsageError;
    console.error(`error: ${explain(error)}`);
    if (!usage) return 1;
    const help = Object.hasOwn(COMMANDS, name ?? "")
      ? `kvs ${name} --help`
      : "kvs --help";
    console.error(`Try '${help}'`);
    return 2;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
