/**
 * Replaces `@std/cli/parse-args`, as far as the project uses it, by the parser
 * in Node's library: a package would have to be downloaded before the first
 * start. The types leave out where the two differ: what is not declared goes to
 * `unknown` alone.
 *
 * @module
 */

import { parseArgs as parseTokens } from "node:util";

export function parseArgs(
  args: readonly string[],
  { string, boolean, collect, unknown }: {
    string: readonly string[];
    boolean: readonly string[];
    collect: readonly string[];
    "--": true;
    unknown: (...call: [arg: string, key?: string]) => false;
  },
): { "--"?: string[]; [name: string]: unknown } {
  const { tokens } = parseTokens({
    args: [...args],
    options: Object.fromEntries(
      string.map((name) => [name, { type: "string" }]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const values = new Map<string, unknown>([
    ...boolean.map((name) => [name, false] as const),
    ...collect.map((name) => [name, []] as const),
  ]);
  let end = args.length;
  for (const token of tokens) {
    const arg = args[token.index];
    if (token.kind === "option-terminator") {
      end = token.index;
      break;
    } else if (token.kind === "positional") {
      unknown(arg);
    } else if (string.includes(token.name)) {
      add(values, token.name, token.value ?? "");
    } else if (boolean.includes(token.name)) {
      add(values, token.name, token.value !== "false");
    } else {
      unknown(arg, token.name);
    }
  }
  return { ...Object.fromEntries(values), "--": args.slice(end + 1) };
}

/** Appends a value to those of a collected flag, or replaces another's. */
function add(values: Map<string, unknown>, name: string, value: unknown): void {
  const known = values.get(name);
  if (Array.isArray(known)) known.push(value);
  else values.set(name, value);
}
