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
  help: `Prints the value of a key, or "Key not found".

Usage: kvs get KEY [OPTIONS]

Options:
${TARGET_HELP}  --json            print {"key":…,"value":…}; the value of a missing key is null
  -h, --help        show this help

Examples:
  kvs get greeting
  kvs get greeting --dir ./data
  kvs get -- -a-key-with-a-dash
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...TARGET_SWITCHES, "json"] },
      ["KEY"],
    );
    const [key] = parsed.operands;
    const value = await withTarget(
      parsed,
      async (target) => await target.get(key),
    );
    if (parsed.has("json")) {
      return writeText(`${JSON.stringify({ key, value: value ?? null })}\n`);
    }
    return writeText(`${value ?? "Key not found"}\n`);
  },
};
