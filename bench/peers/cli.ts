/**
 * The time that one command takes, beside that of a program that does nothing.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };
import { findUnused } from "../../compile/exclude.ts";
import { ChildServer } from "../support/child_server.ts";
import type { DataDirs } from "../support/data_dirs.ts";
import { packageFlags } from "../support/deno_flags.ts";
import { type Spread, spreadOf } from "../support/spread.ts";

/** Wall time from start to end, in milliseconds. */
export interface CliResult {
  readonly kind: "cli";
  /** A compiled program that is an empty module. */
  readonly emptyMs: Spread;
  /** `kvs get KEY --addr …`. */
  readonly getFromServerMs: Spread;
  /** `kvs get KEY --dir …`. */
  readonly getFromDirMs: Spread;
}

/** What the task `compile` gives to `deno compile` beside the names of files. */
const COMPILE_FLAGS = Array.from(
  // Up to where the task runs a command of its own.
  project.tasks.compile.command.split("$(")[0].matchAll(
    /--(?:no-code-cache|no-prompt|allow-[^\s=]+(?:=(?:'[^']*'|\S+))?|include \S+)/g,
  ),
  ([flag]) => flag.replaceAll("'", "").split(" "),
).flat();

/** The Deno that compiles. */
const DENO = Deno.env.get("DENO") ?? Deno.execPath();

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/**
 * Compiles both programs and measures them in turn.
 *
 * It needs a Deno that can compile: the one that the environment names as
 * `DENO`, with its runtime in `DENORT_BIN` where it can't be downloaded.
 */
export async function measureCli(
  dirs: DataDirs,
  runs: number,
): Promise<CliResult> {
  const bin = dirs.empty();
  const empty = `${bin}/empty`;
  const kvs = `${bin}/kvs`;
  Deno.writeTextFileSync(`${bin}/empty.ts`, "export {};\n");
  await compile([`--output=${empty}`, "--no-config", `${bin}/empty.ts`]);
  const unused = await findUnused(DENO);
  await compile([
    ...COMPILE_FLAGS,
    ...unused.map((path) => `--exclude=${path}`),
    `--output=${kvs}`,
    ...packageFlags(),
    "main.ts",
  ]);
  const stored = dirs.empty();
  await run(kvs, ["set", "greeting", "hello", "--dir", stored]);
  await using server = await ChildServer.startKvs({
    dir: dirs.empty(),
    engine: "kvs",
    pool: "reuse-port",
    threads: 1,
    sync: "no",
  });
  const addr = `127.0.0.1:${server.port}`;
  await run(kvs, ["set", "greeting", "hello", "--addr", addr]);
  const times: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i <= runs; i++) {
    const round = [
      await run(empty, []),
      await run(kvs, ["get", "greeting", "--addr", addr]),
      await run(kvs, ["get", "greeting", "--dir", stored]),
    ];
    // The first round reads the binaries from disk.
    if (i > 0) round.forEach((ms, which) => times[which].push(ms));
  }
  const [emptyMs, getFromServerMs, getFromDirMs] = times.map(spreadOf);
  return { kind: "cli", emptyMs, getFromServerMs, getFromDirMs };
}

async function compile(args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(DENO, {
    args: ["compile", "--quiet", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (success) return;
  const text = new TextDecoder().decode(stderr).trim();
  throw new Error(`Cannot compile: ${text.replaceAll(/\s+/g, " ")}`);
}

/** Runs a program, and returns how long it took in milliseconds. */
async function run(path: string, args: readonly string[]): Promise<number> {
  const startMs = performance.now();
  const { success, stderr } = await new Deno.Command(path, {
    args: [...args],
    stdin: "null",
  }).output();
  const elapsedMs = performance.now() - startMs;
  if (success) return elapsedMs;
  throw new Error(`${path} failed: ${new TextDecoder().decode(stderr)}`);
}
