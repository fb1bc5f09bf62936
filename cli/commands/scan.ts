import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { printPairs } from "../pairs/pair_writer.ts";
import { pairPages, parseLimit } from "../pairs/pairs.ts";
import {
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "../target.ts";

/** `kvs scan`. */
export const scan: Command = {
  help: `Prints keys and values in the order of the keys' bytes.

Usage: kvs scan [OPTIONS]

Each line holds a key, a tab and a value. Where keys or values may hold tabs or
newlines themselves, --json tells them apart.

A key that is there all the while is printed once; one that others set or remove
meanwhile may be or not.

A pair that is not UTF-8 text, which a program can have set, is left out; at the
end the command names its key and exits with 1.

Options:
  --prefix P        only keys that begin with P
  --start K         only keys from K on
  --end K           only keys before K
  --limit N         at most N
  --reverse         from the last key to the first
  --keys            keys without values
${SOURCE_HELP}  --json            print {"key":…,"value":…}
  -h, --help        show this help

Examples:
  kvs scan --prefix user/
  kvs scan --start a --end b --reverse --limit 10
  kvs scan --keys --dir ./data
`,
  async run(args) {
    const parsed = parseCommandArgs(args, {
      values: {
        ...TARGET_FLAGS,
        prefix: undefined,
        start: undefined,
        end: undefined,
        limit: undefined,
      },
      switches: [...SOURCE_SWITCHES, "reverse", "keys", "json"],
      mayBeEmpty: ["prefix", "start", "end"],
    }, []);
    const range = {
      prefix: parsed.value("prefix"),
      start: parsed.value("start"),
      end: parsed.value("end"),
      limit: parseLimit(parsed),
      reverse: parsed.has("reverse"),
      keys: parsed.has("keys"),
    };
    const format = parsed.has("json") ? "json" : "text";
    await withSource(
      parsed,
      (source) => printPairs(pairPages(source, range), format),
    );
    return 0;
  },
};
