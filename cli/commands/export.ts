import type { Command } from "../command.ts";
import { printPairs } from "../pairs/pair_writer.ts";
import { withProgress } from "../progress.ts";
import { SOURCE_FLAGS, withSource } from "../target_flags.ts";

/** `kvs export`. */
export const exportPairs: Command<typeof SOURCE_FLAGS> = {
  description: `Prints all pairs as JSON lines, for 'kvs import'.

The pairs are those in the store when the command began, whatever is written meanwhile. A server with engine kvs first loads an index for them, about a second for a million keys.

A pair that is not UTF-8 text, which a program can have set, is left out; at the end the command names its key and exits with 1.`,
  flags: SOURCE_FLAGS,
  examples: [
    "kvs export > pairs.jsonl",
    "kvs export --dir ./data --read-only | gzip > pairs.jsonl.gz",
    "kvs export | kvs import --addr 127.0.0.1:4001",
  ],
  async run(flags) {
    // On a terminal, the pairs themselves show the progress.
    const isShown = Deno.stderr.isTerminal() && !Deno.stdout.isTerminal();
    await withSource(flags, (source) =>
      withProgress(async (progress) => {
        progress.total = await source.freeze();
        await printPairs(source.pages({}), "json", (count) => {
          progress.pairs += count;
          progress.done += count;
        });
      }, { isShown }));
    return 0;
  },
};
