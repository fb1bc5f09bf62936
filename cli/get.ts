import { parseCommandArgs } from "./_args.ts";
import type { Command } from "./_command.ts";
import { writeText } from "./_output.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "./_target.ts";

/** `kvs get`. */
export const get: Command = {
  help: `Prints the value of each key, or "Key not found", on a line of its own.

Usage: kvs get KEY... [OPTIONS]

Options:
${TARGET_HELP}  --json            print {"key":…,"value":…}; the value of a missing key is null
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
      { values: TARGET_FLAGS, switches: [...TARGET_SWITCHES, "json"] },
      ["KEY…"],
    );
    const keys = parsed.operands;
    const values = await withTarget(
      parsed,
      async (target) => await Promise.all(keys.map((key) => target.get(key))),
    );
    const lines = keys.map((key, i) =>
      parsed.has("json")
        ? JSON.stringify({ key, value: values[i] ?? null })
        : values[i] ?? "Key not found"
    );
    return writeText(lines.map((line) => `${line}\n`).join(""));
  },
};
