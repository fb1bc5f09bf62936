import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { complain, writeText } from "../output.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "../target.ts";

/** `kvs rm`. */
export const rm: Command = {
  help: `Removes a key. Prints nothing; fails if the key is not there.

Usage: kvs rm KEY [OPTIONS]

Options:
${TARGET_HELP}  --json            print {"key":…,"removed":true} or false
  -h, --help        show this help

Examples:
  kvs rm greeting
  kvs rm greeting --dir ./data
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...TARGET_SWITCHES, "json"] },
      ["KEY"],
    );
    const [key] = parsed.operands;
    const removed = await withTarget(
      parsed,
      async (target) => await target.remove(key),
    );
    if (parsed.has("json")) {
      writeText(`${JSON.stringify({ key, removed })}\n`);
    } else if (!removed) {
      complain("Key not found");
    }
    return removed ? 0 : 1;
  },
};
