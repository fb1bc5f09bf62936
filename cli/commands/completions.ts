import { type Command, type Commands, unknownChoice } from "../command.ts";
import { completionScript, SHELLS } from "../completion_scripts.ts";
import { writeText } from "../output.ts";

/** `kvs completions`. */
export function completions(commands: Commands): Command {
  return {
    description: `Prints what makes a shell complete commands and options.

SHELL is bash, zsh or fish.`,
    flags: {},
    choices: SHELLS,
    examples: [
      "source <(kvs completions bash)",
      "kvs completions zsh > ~/.zfunc/_kvs",
      "kvs completions fish > ~/.config/fish/completions/kvs.fish",
    ],
    async run(_flags, [operand]) {
      const shell = SHELLS.find((name) => name === operand);
      if (shell === undefined) throw unknownChoice("shell", operand, SHELLS);
      return writeText(await completionScript(shell, commands));
    },
  };
}
