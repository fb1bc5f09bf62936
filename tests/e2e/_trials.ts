/**
 * A trial of each command.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { TempDirectory } from "../engine/kvs/_helpers.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { CTRL_C } from "./_terminal.ts";

/** How a command is tried, with a store of two keys, `a` and `b`. */
export interface Trial {
  /** The arguments after the command, without what names the store. */
  readonly args?: readonly string[];
  /** The lines that it prints in all; an expression is for some line. */
  readonly lines: readonly (string | RegExp)[];
  /** Whether it prints more than `lines`. */
  readonly more?: boolean;
  /** Whether `lines` come on standard error. */
  readonly complains?: boolean;
  /** What it is tried on. */
  readonly store?: "directory" | "server" | "none";
  /** What ends it, if it does not end by itself, once it has printed `after`. */
  readonly type?: { readonly keys: string; readonly after: string };
  readonly code?: number;
}

/** A trial of each command of `kvs --help`. */
export const TRIALS: Readonly<Record<string, Trial>> = {
  serve: {
    args: ["--addr", "127.0.0.1:0"],
    type: { keys: CTRL_C, after: "Listening on" },
    complains: true,
    lines: [
      /kvs \d/,
      /Engine/,
      /Data dir/,
      /Listening/,
      /stopping/,
      /Stopped/,
    ],
  },
  get: { args: ["a", "nobody"], lines: ["1", "Key not found"] },
  set: { args: ["c", "3"], lines: [] },
  rm: { args: ["nobody"], lines: ["Key not found"], complains: true, code: 1 },
  // A terminal moves on to the next stop of eight columns.
  scan: { lines: ["a\t1", "b\t2"] },
  export: { lines: ['{"key":"a","value":"1"}', '{"key":"b","value":"2"}'] },
  import: { args: ["PAIRS"], lines: ["Imported 1 pair"] },
  compact: { lines: [/^Reclaimed 0 bytes/] },
  stats: {
    store: "server",
    lines: [/^server +kvs \d/, /^store +kvs/, /^keys +2$/],
    more: true,
  },
  check: { lines: [/^2 sound records in 1 segment, .*; 0 damaged places$/] },
  help: {
    args: ["get"],
    store: "none",
    lines: [/^Usage: kvs get/, /--help/],
    more: true,
  },
  completions: {
    args: ["bash"],
    store: "none",
    lines: [/complete -.*kvs$/],
    more: true,
  },
};

/** The commands that `kvs --help` lists. */
export async function commandNames(): Promise<string[]> {
  const { stdout } = await kvs(["--help"]);
  const list = stdout.slice(stdout.indexOf("Commands:"));
  return Array.from(
    list.slice(0, list.indexOf("\n\n")).matchAll(/^ {2}(\w+)/gm),
    ([, name]) => name,
  );
}

/**
 * Runs something with a store of two keys.
 *
 * @param use Given the data directory, and a file with a pair that is in it.
 */
export async function withStore(
  use: (dir: string, pairs: string) => Promise<void>,
): Promise<void> {
  using root = new TempDirectory();
  const dir = `${root.path}/data`;
  const stdin = "a\t1\nb\t2\n";
  const { code, stderr } = await kvs(["import", "-", "--dir", dir], { stdin });
  if (code !== 0) throw new Error(stderr);
  const pairs = `${root.path}/pairs.txt`;
  Deno.writeTextFileSync(pairs, "a\t1\n");
  await use(dir, pairs);
}

/**
 * Runs something with the arguments of a trial.
 *
 * @param name The command.
 * @param use Given all arguments.
 */
export async function withTrial(
  name: string,
  use: (args: readonly string[]) => Promise<void>,
): Promise<void> {
  const { args = [], store = "directory" } = TRIALS[name];
  await withStore(async (dir, pairs) => {
    const given = [name, ...args.map((arg) => arg === "PAIRS" ? pairs : arg)];
    if (store === "none") return await use(given);
    if (store === "directory") return await use([...given, "--dir", dir]);
    await using server = await ServerProcess.start("--dir", dir);
    await use([...given, "--addr", server.addr]);
  });
}

/**
 * Asserts that a command has printed what its trial says.
 *
 * @param shown Its lines, with the empty one after the last newline.
 * @param trial The trial.
 */
export function assertLines(
  shown: readonly string[],
  { lines, more = false }: Trial,
): void {
  const all = shown.join("\n");
  assertEquals(shown.at(-1), "", all);
  if (!more) assertEquals(shown.length - 1, lines.length, all);
  lines.forEach((line, i) => {
    if (typeof line === "string") assertEquals(shown[i], line);
    else if (more) assert(shown.some((text) => line.test(text)), `${line}`);
    else assertMatch(shown[i], line);
  });
}
