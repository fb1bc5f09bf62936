import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import { SCRIPTS } from "../completion_scripts.ts";
import { SHELLS, specOf } from "../completion_spec.ts";
import { UsageError } from "../errors.ts";
import { writeText } from "../output.ts";

/** `kvs completions`. */
export const completions: Command = {
  help: `Prints what makes a shell complete commands and options.

Usage: kvs completions SHELL [OPTIONS]

SHELL is bash, zsh or fish.

Options:
  -h, --help        show this help

Examples:
  source <(kvs completions bash)
  kvs completions zsh > ~/.zfunc/_kvs
  kvs completions fish > ~/.config/fish/completions/kvs.fish
`,
  async run(args) {
    const { operands } = parseCommandArgs(args, { values: {} }, ["SHELL"]);
    const shell = SHELLS.find((name) => name === operands[0]);
    if (shell === undefined) {
      throw new UsageError(
        `Unknown shell "${operands[0]}"; expected bash, zsh or fish`,
      );
    }
    const specs = await Promise.all(
      Object.entries(COMMANDS).map(async ([name, load]) =>
        specOf(name, await load())
      ),
    );
    return writeText(SCRIPTS[shell](specs));
  },
};
