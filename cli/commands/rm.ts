import type { Command } from "../command.ts";
import { complain, writeText } from "../output.ts";
import { TARGET_FLAGS, withTarget } from "../target_flags.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  json: { help: 'print {"key":…,"removed":true} or false' },
};

/** `kvs rm`. */
export const rm: Command<typeof FLAGS> = {
  description:
    "Removes a key. Prints nothing, and fails if the key is not there.",
  flags: FLAGS,
  examples: ["kvs rm greeting", "kvs rm greeting --dir ./data"],
  async run(flags, [key]) {
    const removed = await withTarget(flags, (target) => target.remove(key));
    if (flags.json) writeText(`${JSON.stringify({ key, removed })}\n`);
    else if (!removed) complain("Key not found");
    return removed ? 0 : 1;
  },
};
