import { toText } from "@std/streams/to-text";
import { parseCommandArgs } from "./_args.ts";
import type { Command } from "./_command.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "./_target.ts";

/** `kvs set`. */
export const set: Command = {
  help: `Sets a key to a value. Prints nothing.

Usage: kvs set KEY VALUE [OPTIONS]

A VALUE of - is read from standard input, all of it.

Options:
${TARGET_HELP}  -h, --help        show this help

Examples:
  kvs set greeting "Hello, world"
  kvs set page - < page.html
  kvs set --dir ./data greeting Hello
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: TARGET_SWITCHES },
      ["KEY", "VALUE"],
    );
    const [key, operand] = parsed.operands;
    const value = operand === "-" ? await toText(Deno.stdin.readable) : operand;
    await withTarget(
      parsed,
      async (target) => await target.set(key, value),
      true,
    );
    return 0;
  },
};
