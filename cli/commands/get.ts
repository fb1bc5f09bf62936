import type { Command } from "../command.ts";
import { notTextError } from "../errors.ts";
import { writeText } from "../output.ts";
import { SOURCE_FLAGS, withSource } from "../target_flags.ts";

const FLAGS = {
  ...SOURCE_FLAGS,
  json: {
    help:
      'print {"key":…,"value":…} for each key; the value of a missing key is null',
  },
};

/** `kvs get`. */
export const get: Command<typeof FLAGS> = {
  description:
    `Prints the value of each key, or "Key not found", on a line of its own.

A value that is not UTF-8 text, which a program can have set, is an error that names its key, and nothing is printed.`,
  flags: FLAGS,
  examples: [
    "kvs get greeting",
    "kvs get greeting farewell --json",
    "kvs get greeting --dir ./data",
    "kvs get -- -a-key-with-a-dash",
  ],
  async run({ json, ...flags }, keys) {
    const values = await withSource(
      flags,
      (source) => Promise.all(keys.map((key) => source.get(key))),
    );
    const unreadable = keys.filter((_, i) => values[i] === null);
    if (unreadable.length > 0) throw notTextError(unreadable);
    const lines = keys.map((key, i) => {
      const value = values[i] ?? null;
      return json ? JSON.stringify({ key, value }) : value ?? "Key not found";
    });
    return writeText(lines.map((line) => `${line}\n`).join(""));
  },
};
