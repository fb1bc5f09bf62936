import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import { type ByteSource, lineBlocks } from "../pairs/line_blocks.ts";
import { writeText } from "../output.ts";
import { type LineFormat, PairParser } from "../pairs/pair_parser.ts";
import { type PairSink, sinkOf } from "../pairs/pair_sink.ts";
import { type Progress, withProgress } from "../progress.ts";
import { openFile } from "../secrets.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "../target.ts";

/** `kvs import`. */
export const importPairs: Command = {
  help: `Sets the pairs of a file, or of standard input.

Usage: kvs import [FILE] [OPTIONS]

A line is {"key":"…","value":"…"}, or a key, a tab and a value. The first line
that is neither ends the import with its number; those before it are set. Lines
may end in CR LF, and a byte order mark before the first JSON line is skipped.

Options:
  --format FORMAT   json or tab (default: json if the first line begins with {)
${TARGET_HELP}  --json            print {"pairs":…}
  -h, --help        show this help

Examples:
  kvs import pairs.jsonl
  kvs export --dir ./old | kvs import - --dir ./new
  printf 'greeting\\tHello\\n' | kvs import
`,
  async run(args) {
    const parsed = parseCommandArgs(args, {
      values: { ...TARGET_FLAGS, format: undefined },
      switches: [...TARGET_SWITCHES, "json"],
    }, ["[FILE]"]);
    const [path = "-"] = parsed.operands;
    const parser = new PairParser(parseFormat(parsed.value("format")));
    using file = path === "-" ? undefined : openFile(undefined, path);
    // It would be drawn over what is being typed.
    const isTyped = file === undefined && Deno.stdin.isTerminal();
    const isShown = Deno.stderr.isTerminal() && !isTyped;
    const pairs = await withTarget(
      parsed,
      (target) =>
        withProgress((progress) => {
          progress.total = file?.statSync().size ?? 0;
          const sink = sinkOf(target);
          return importAll(file ?? Deno.stdin, parser, sink, progress);
        }, isShown),
      true,
    );
    return writeText(
      parsed.has("json")
        ? `${JSON.stringify({ pairs })}\n`
        : `Imported ${counted(pairs, "pair")}\n`,
    );
  },
};

async function importAll(
  source: ByteSource,
  parser: PairParser,
  sink: PairSink,
  progress: Progress,
): Promise<number> {
  for await (const block of lineBlocks(source)) {
    const pairs = parser.parse(block);
    if (pairs.count > 0) await sink.add(pairs);
    progress.pairs += pairs.count;
    progress.done += block.length;
    if (parser.error !== undefined) break;
  }
  await sink.finish();
  const { error } = parser;
  if (error === undefined) return progress.pairs;
  throw new Error(
    `${error.message}; ${counted(progress.pairs, "pair")} before it ${
      progress.pairs === 1 ? "is" : "are"
    } imported`,
  );
}

function parseFormat(text: string | undefined): LineFormat | undefined {
  if (text === undefined || text === "json" || text === "tab") return text;
  throw new UsageError(`Unknown format "${text}"; expected json or tab`);
}
