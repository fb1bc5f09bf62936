import { KvsError } from "../../client/client_error.ts";
import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { printPairs } from "../pairs/pair_writer.ts";
import { pairPages } from "../pairs/pairs.ts";
import { withProgress } from "../progress.ts";
import {
  type Source,
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "../target.ts";

/** `kvs export`. */
export const exportPairs: Command = {
  help: `Prints all pairs as JSON lines, for 'kvs import'.

Usage: kvs export [OPTIONS]

The pairs are those of one moment, the one when the command began, whatever is
written meanwhile. Through a server (--addr) of engine kvs the first ones come
when it has loaded an index for them, about a second for a million keys.

A pair that is not UTF-8 text, which a program can have set, is left out; at the
end the command names its key and exits with 1.

Options:
${SOURCE_HELP}  -h, --help        show this help

Examples:
  kvs export > pairs.jsonl
  kvs export --dir ./data --read-only | gzip > pairs.jsonl.gz
  kvs export | kvs import --addr 127.0.0.1:4001
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: SOURCE_SWITCHES },
      [],
    );
    // On a terminal the pairs themselves show how far it is.
    const isShown = Deno.stderr.isTerminal() && !Deno.stdout.isTerminal();
    await withSource(parsed, (source) =>
      withProgress(async (progress) => {
        if ("snapshot" in source) await holdMoment(source);
        progress.total = sizeOf(source);
        await printPairs(pairPages(source, {}), "json", (count) => {
          progress.pairs += count;
          progress.done += count;
        });
      }, isShown));
    return 0;
  },
};

/** Has a server show one moment from here on. */
async function holdMoment(
  source: Extract<Source, { snapshot: unknown }>,
): Promise<void> {
  try {
    await source.snapshot();
  } catch (error) {
    if (!(error instanceof KvsError)) throw error;
    throw new KvsError(`Cannot take a snapshot: ${error.message}`);
  }
}

/** The number of pairs, where that is known without counting; else 0. */
function sizeOf(source: Source): number {
  return "size" in source && typeof source.size === "number" ? source.size : 0;
}
