import type { Command, Flags } from "../command.ts";
import { counted } from "../format.ts";
import { openFile } from "../inputs.ts";
import { writeText } from "../output.ts";
import { type ByteSource, lineBlocks } from "../pairs/line_blocks.ts";
import { LINE_FORMATS, PairParser } from "../pairs/pair_parser.ts";
import { type Progress, withProgress } from "../progress.ts";
import type { Target } from "../target.ts";
import { TARGET_FLAGS, withTarget } from "../target_flags.ts";

const FLAGS = {
  format: {
    argument: "FORMAT",
    noun: "format",
    help: "the format of the lines",
    choices: LINE_FORMATS,
    whenAbsent: "json if the first line begins with {",
  },
  ...TARGET_FLAGS,
  json: { help: 'print {"pairs":…}' },
} satisfies Flags;

/** `kvs import`. */
export const importPairs: Command<typeof FLAGS> = {
  description: `Sets the pairs in a file, or on standard input.

A line is {"key":"…","value":"…"}, or a key, a tab and a value. The first line that is neither ends the import with its number; the pairs before it are set. Lines may end in CR LF, and a byte order mark before the first JSON line is skipped.`,
  flags: FLAGS,
  examples: [
    "kvs import pairs.jsonl",
    "kvs export --dir ./old | kvs import - --dir ./new",
    "printf 'greeting\\tHello\\n' | kvs import",
  ],
  async run({ format, json, ...flags }, [path = "-"]) {
    const parser = new PairParser(format);
    using file = path === "-" ? undefined : openFile(undefined, path);
    // It would be drawn over what is being typed.
    const isTyped = file === undefined && Deno.stdin.isTerminal();
    const isShown = Deno.stderr.isTerminal() && !isTyped;
    const pairs = await withTarget(
      flags,
      (target) =>
        withProgress((progress) => {
          progress.total = file?.statSync().size ?? 0;
          return importAll(file ?? Deno.stdin, parser, target, progress);
        }, { isShown }),
      { create: true },
    );
    return writeText(
      json
        ? `${JSON.stringify({ pairs })}\n`
        : `Imported ${counted(pairs, "pair")}\n`,
    );
  },
};

async function importAll(
  source: ByteSource,
  parser: PairParser,
  target: Target,
  progress: Progress,
): Promise<number> {
  for await (const block of lineBlocks(source)) {
    const pairs = parser.parse(block);
    if (pairs.count > 0) await target.add(pairs);
    progress.pairs += pairs.count;
    progress.done += block.length;
    if (parser.error !== undefined) break;
  }
  await target.finish();
  const { error } = parser;
  if (error === undefined) return progress.pairs;
  throw new Error(
    `${error.message}; ${counted(progress.pairs, "pair")} before it ${
      progress.pairs === 1 ? "is" : "are"
    } imported`,
  );
}
