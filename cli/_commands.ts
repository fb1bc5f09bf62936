import type { Command } from "./_command.ts";
import { UsageError } from "./_errors.ts";
import { suggestionFor } from "./_suggestion.ts";

/** Loaded on demand: `kvs get` should not wait for the server's code. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./serve.ts")).serve,
  get: async () => (await import("./get.ts")).get,
  set: async () => (await import("./set.ts")).set,
  rm: async () => (await import("./rm.ts")).rm,
  scan: async () => (await import("./scan.ts")).scan,
  export: async () => (await import("./export.ts")).exportPairs,
  import: async () => (await import("./import.ts")).importPairs,
  compact: async () => (await import("./compact.ts")).compact,
  stats: async () => (await import("./stats.ts")).stats,
  check: async () => (await import("./check.ts")).check,
  completions: async () => (await import("./completions.ts")).completions,
  help: async () => (await import("./help.ts")).help,
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
