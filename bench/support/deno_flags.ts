/**
 * Running further modules of the project in processes of their own.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** What the tasks allow kvs to do. */
const PERMISSIONS = Array.from(
  project.tasks.serve.command.matchAll(/--allow-[^\s=]+(=('[^']*'|\S+))?/g),
  ([flag]) => flag.replaceAll("'", ""),
);

/** What this process imports, the others import from the same place. */
export function importMap(): string[] {
  const offline = new URL("offline/", ROOT).href;
  return import.meta.resolve("@std/cli/unstable-progress-bar").startsWith(
      offline,
    )
    ? [`--import-map=${offline}import_map.json`]
    : [];
}

/** The same, and no lock file that is committed is changed for it. */
export function packageFlags(): string[] {
  const flags = importMap();
  const lock = new URL(".deno.lock", ROOT).pathname;
  return flags.length > 0 ? flags : [`--lock=${lock}`];
}

/** Tells how to run kvs as a user does, with the permissions of the tasks. */
export function kvsArgs(args: readonly string[]): string[] {
  const main = new URL("main.ts", ROOT).href;
  return [
    ...["run", "--quiet", "--no-prompt", ...packageFlags(), ...PERMISSIONS],
    ...[main, ...args],
  ];
}

/** The address of a module, relative to the one that asks. */
export function modulePath(path: string, base: string): string {
  return new URL(path, base).href;
}

/**
 * Runs a module that prints its result as JSON. It may import only what is in
 * the cache, so that nothing is installed unasked.
 */
export async function runModule<T>(
  module: URL,
  args: readonly string[],
): Promise<T> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--unstable-kv", "--no-lock"],
      ...["--cached-only", ...importMap(), module.href, ...args],
    ],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  if (code !== 0) {
    const text = new TextDecoder().decode(stderr).trim();
    throw new Error(
      text.split("\n").find((line) => line !== "") ?? "It failed",
    );
  }
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return JSON.parse(lines[lines.length - 1]);
}
