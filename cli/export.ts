import { parseCommandArgs } from "./_args.ts";
import type { Command } from "./_command.ts";
import { printPairs } from "./_pair_writer.ts";
import { pairPages } from "./_pairs.ts";
import { withProgress } from "./_progress.ts";
import {
  type Source,
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "./_target.ts";

/** `kvs export`. */
export const exportPairs: Command = {
  help: `Prints all pairs as JSON lines, for 'kvs import'.

Usage: kvs export [OPTIONS]

With --dir the pairs are those of one moment, the one when the command began,
with --read-only beside a server too. Through a server (--addr) they are not:
each key that is there all the while is printed once, with a value that it had
meanwhile; one that others set or remove meanwhile may be printed or not.

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
        progress.total = sizeOf(source);
        await printPairs(pairPages(source, {}), "json", (count) => {
          progress.pairs += count;
          progress.done += count;
        });
      }, isShown));
    return 0;
  },
};

/** The number of pairs, where that is known without counting; else 0. */
function sizeOf(source: Source): number {
  return "size" in source && typeof source.size === "number" ? source.size : 0;
}
