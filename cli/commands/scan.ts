import type { Command, Flags } from "../command.ts";
import { UsageError } from "../errors.ts";
import { printPairs } from "../pairs/pair_writer.ts";
import { SOURCE_FLAGS, withSource } from "../target_flags.ts";

const FLAGS = {
  prefix: {
    argument: "P",
    help: "only keys that begin with P",
    mayBeEmpty: true,
  },
  start: { argument: "K", help: "only keys from K on", mayBeEmpty: true },
  end: { argument: "K", help: "only keys before K", mayBeEmpty: true },
  limit: { argument: "N", help: "at most N pairs", parse: parseLimit },
  reverse: { help: "from the last key to the first" },
  keys: { help: "keys without values" },
  ...SOURCE_FLAGS,
  json: { help: 'print {"key":…,"value":…} for each pair' },
} satisfies Flags;

/** `kvs scan`. */
export const scan: Command<typeof FLAGS> = {
  description: `Prints keys and values in the order of the keys' bytes.

Each line holds a key, a tab and a value. Where keys or values may hold tabs or newlines themselves, use --json.

A key that is there all the while is printed once; one that is set or removed during the scan may be printed or not.

A pair that is not UTF-8 text, which a program can have set, is left out; at the end the command names its key and exits with 1.`,
  flags: FLAGS,
  examples: [
    "kvs scan --prefix user/",
    "kvs scan --start a --end b --reverse --limit 10",
    "kvs scan --keys --dir ./data",
  ],
  async run(flags) {
    const { prefix, start, end, limit, reverse, keys } = flags;
    const range = { prefix, start, end, limit, reverse, keys };
    await withSource(
      flags,
      (source) => printPairs(source.pages(range), flags.json ? "json" : "text"),
    );
    return 0;
  },
};

function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^[0-9]{1,15}$/.test(text) && limit >= 1) return limit;
  throw new UsageError(
    `--limit must be a whole number from 1, found "${text}"`,
  );
}
