import type { Command } from "./command.ts";
import { UsageError } from "./errors.ts";
import { suggestionFor } from "./suggestion.ts";

/** Loaded on demand: `kvs get` should not wait for the server's code. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./commands/serve.ts")).serve,
  get: async () => (await import("./commands/get.ts")).get,
  set: async () => (await import("./commands/set.ts")).set,
  rm: async () => (await import("./commands/rm.ts")).rm,
  scan: async () => (await import("./commands/scan.ts")).scan,
  export: async () => (await import("./commands/export.ts")).exportPairs,
  import: async () => (await import("./commands/import.ts")).importPairs,
  compact: async () => (await import("./commands/compact.ts")).compact,
  stats: async () => (await import("./commands/stats.ts")).stats,
  check: async () => (await import("./commands/check.ts")).check,
  completions: async () =>
    (await import("./commands/completions.ts")).completions,
  help: async () => (await import("./commands/help.ts")).help,
};

/**
 * Loads a command.
 *
 * @param name Its name.
 * @returns The command.
 * @throws {UsageError} If there is none of that name.
 */
export async function loadCommand(name: string): Promise<Command> {
  if (Object.hasOwn(COMMANDS, name)) return await COMMANDS[name]();
  const isOption = name.startsWith("-");
  const suggestion = suggestionFor(
    name,
    isOption ? ["--help", "--version"] : Object.keys(COMMANDS),
  );
  if (isOption) {
    throw new UsageError(
      `Unknown option "${name}"; ${
        suggestion ?? "the options of a command come after it"
      }`,
    );
  }
  throw new UsageError(
    `Unknown command "${name}"${suggestion ? `; ${suggestion}` : ""}`,
  );
}
