import { toText } from "@std/streams/to-text";
import { checkPairSize } from "../protocol/request_limits.ts";
import { parseCommandArgs } from "./_args.ts";
import type { Command } from "./_command.ts";
import { UsageError } from "./_errors.ts";
import { readFile } from "./_secrets.ts";
import {
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "./_target.ts";

/** `kvs set`. */
export const set: Command = {
  help: `Sets a key to a value. Prints nothing.

Usage: kvs set KEY VALUE [OPTIONS]
       kvs set KEY --file FILE [OPTIONS]

A VALUE of - is read from standard input, all of it.

Options:
${TARGET_HELP}  --file FILE       set the key to what is in a file
  -h, --help        show this help

Examples:
  kvs set greeting "Hello, world"
  kvs set page - < page.html
  kvs set page --file page.html
  kvs set --dir ./data greeting Hello
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      {
        values: { ...TARGET_FLAGS, file: undefined },
        switches: TARGET_SWITCHES,
      },
      ["KEY", "[VALUE]"],
    );
    const [key, operand] = parsed.operands;
    const value = await readValue(operand, parsed.value("file"));
    if (parsed.value("dir") !== undefined) {
      // Before a new directory is made
      checkPairSize(utf8Bytes(key), utf8Bytes(value));
    }
    await withTarget(
      parsed,
      async (target) => await target.set(key, value),
      true,
    );
    return 0;
  },
};

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

async function readValue(
  operand: string | undefined,
  file: string | undefined,
): Promise<string> {
  if (file !== undefined) {
    if (operand === undefined) return readFile("file", file);
    throw new UsageError("VALUE and --file exclude each other");
  }
  if (operand === undefined) throw new UsageError("VALUE is missing");
  return operand === "-" ? await toText(Deno.stdin.readable) : operand;
}
