import { parseCommandArgs } from "./_args.ts";
import type { Command } from "./_command.ts";
import { writeText } from "./_output.ts";
import {
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "./_target.ts";

/** `kvs get`. */
export const get: Command = {
  help: `Prints the value of each key, or "Key not found", on a line of its own.

Usage: kvs get KEY... [OPTIONS]

Options:
${SOURCE_HELP}  --json            print {"key":…,"value":…}; the value of a missing key is null
  -h, --help        show this help

Examples:
  kvs get greeting
  kvs get greeting farewell --json
  kvs get greeting --dir ./data
  kvs get -- -a-key-with-a-dash
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...SOURCE_SWITCHES, "json"] },
      ["KEY…"],
    );
    const keys = parsed.operands;
    const values = await withSource(
      parsed,
      async (source) => await Promise.all(keys.map((key) => source.get(key))),
    );
    const lines = keys.map((key, i) =>
      parsed.has("json")
        ? JSON.stringify({ key, value: values[i] ?? null })
        : values[i] ?? "Key not found"
    );
    return writeText(lines.map((line) => `${line}\n`).join(""));
  },
};
