import { type Command, type Commands, findCommand } from "../command.ts";
import { commandHelp, overview } from "../help_text.ts";
import { writeText } from "../output.ts";

/** `kvs help`. */
export function help(commands: Commands): Command {
  return {
    description: "Shows help on kvs or on one of its commands.",
    flags: {},
    choices: Object.keys(commands),
    examples: ["kvs help", "kvs help serve"],
    async run(_flags, [name]) {
      if (name === undefined) return writeText(overview(commands));
      return writeText(
        await commandHelp(name, findCommand(commands, name)),
      );
    },
  };
}
