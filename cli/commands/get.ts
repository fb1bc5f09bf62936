import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { isNoText, notText } from "../pairs/no_text.ts";
import { writeText } from "../output.ts";
import {
  type Source,
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "../target.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `kvs get`. */
export const get: Command = {
  help:
    `Prints the value of each key, or "Key not found", on a line of its own. A value
that is not UTF-8 text, which a program can have set, is an error that names its
key; nothing is printed then.

Usage: kvs get KEY... [OPTIONS]

Options:
${SOURCE_HELP}  --json            print {"key":…,"value":…}; the value of a missing key is null
  -h, --help        show this help

Examples:
  kvs get greeting
  kvs get greeting farewell --json
  kvs get greeting --dir ./data
  kvs get -- -a-key-with-a-dash
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...SOURCE_SWITCHES, "json"] },
      ["KEY…"],
    );
    const keys = parsed.operands;
    const values = await withSource(
      parsed,
      async (source) =>
        await Promise.all(keys.map((key) => readText(source, key))),
    );
    const unreadable = keys.filter((_, i) => values[i] === null);
    if (unreadable.length > 0) throw notText("print", unreadable);
    const lines = keys.map((key, i) => {
      const value = values[i] ?? null;
      return parsed.has("json")
        ? JSON.stringify({ key, value })
        : value ?? "Key not found";
    });
    return writeText(lines.map((line) => `${line}\n`).join(""));
  },
};

/** The value of a key, without a byte replaced; `null` if it is no text. */
async function readText(
  source: Source,
  key: string,
): Promise<string | undefined | null> {
  if ("scanPage" in source) {
    try {
      return await source.get(key);
    } catch (error) {
      if (!isNoText(error)) throw error;
      return null;
    }
  }
  const value = await source.getBytes(encoder.encode(key));
  if (value === undefined) return undefined;
  try {
    return decoder.decode(value);
  } catch {
    return null;
  }
}
