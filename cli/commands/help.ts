import { VERSION } from "../../version.ts";
import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { loadCommand } from "../commands.ts";
import { writeText } from "../output.ts";

/** What `kvs --help` shows. */
export const OVERVIEW = `kvs ${VERSION}: a log-structured key-value store

Usage: kvs COMMAND [OPTIONS]

Commands:
  serve           serve a data directory over TCP
  get KEY...      print the values of keys
  set KEY VALUE   set a key to a value
  rm KEY          remove a key
  scan            print keys and values in order
  export          print all pairs as JSON lines
  import [FILE]   set the pairs of a file or of standard input
  compact         give the space of old values back to the disk
  stats           show what a server does and what its store is like
  check           verify the files of a data directory
  completions     print what makes a shell complete commands
  help [COMMAND]  show this help, or a command's

Options:
  -h, --help      show this help; 'kvs COMMAND --help' shows a command's
  -V, --version   show the version

Environment:
  KVS_ADDR        the server that commands ask without --addr and --dir
  KVS_TOKEN       the token, without --auth-file
`;

/** `kvs help`. */
export const help: Command = {
  help: `Shows help on kvs or on one of its commands.

Usage: kvs help [COMMAND] [OPTIONS]

Options:
  -h, --help   show this help

Examples:
  kvs help
  kvs help serve
`,
  async run(args) {
    const { operands } = parseCommandArgs(args, { values: {} }, ["[COMMAND]"]);
    const [name] = operands;
    return writeText(
      name === undefined ? OVERVIEW : (await loadCommand(name)).help,
    );
  },
};
