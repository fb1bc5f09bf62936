/**
 * The program under test on a terminal.
 *
 * @module
 */

import { commandLine } from "./_kvs.ts";

/** How long a command may take, in milliseconds. */
const DEADLINE_MS = 60_000;

/** What Ctrl-C types. */
export const CTRL_C = "\x03";

/** What a command on a terminal has come to. */
export interface TerminalResult {
  readonly code: number;
  /** All that was sent to the terminal, control characters included. */
  readonly sent: string;
  /** The lines that the screen shows in the end. */
  readonly screen: readonly string[];
}

/** How to run a command on a terminal. */
export interface TerminalOptions {
  /** What is typed once the screen shows `after`. */
  readonly type?: { readonly keys: string; readonly after: string };
  /** What a shell appends to the command, such as `> FILE`. */
  readonly redirect?: string;
}

/** Why there can be no terminal here; `undefined` where there can. */
export function whyNoTerminal(): string | undefined {
  try {
    const { stdout } = new Deno.Command("script", { args: ["--version"] })
      .outputSync();
    if (new TextDecoder().decode(stdout).includes("util-linux")) return;
  } catch {
    // Said below.
  }
  return "needs the program script of util-linux";
}

/** Defines a test that needs a terminal; in CI there must be one. */
export function testOnTerminal(name: string, fn: () => Promise<void>): void {
  const reason = whyNoTerminal();
  const ignore = reason !== undefined && Deno.env.get("CI") !== "true";
  Deno.test({
    name: ignore ? `${name} (skipped: ${reason})` : name,
    ignore,
    fn,
  });
}

/**
 * Runs a command to its end with a terminal as its standard streams.
 *
 * @param args The arguments.
 * @param options What is typed, and where output goes instead.
 * @returns What became of it.
 */
export async function kvsOnTerminal(
  args: readonly string[],
  { type, redirect = "" }: TerminalOptions = {},
): Promise<TerminalResult> {
  const command = commandLine(args).map(quoted).join(" ");
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `exec ${command} ${redirect}`,
      "/dev/null",
    ],
    env: { NO_COLOR: "1", TERM: "xterm", SHELL: "/bin/sh" },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, DEADLINE_MS);
  const keyboard = child.stdin.getWriter();
  let sent = "";
  let typed = false;
  try {
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      sent += text;
      if (type === undefined || typed || !sent.includes(type.after)) continue;
      typed = true;
      await keyboard.write(new TextEncoder().encode(type.keys));
    }
    const { code } = await child.status;
    if (late) {
      throw new Error(
        `Waited ${DEADLINE_MS / 1_000} s for the end of kvs ${
          args.join(" ")
        }; it has sent ${JSON.stringify(sent)}`,
      );
    }
    return { code, sent, screen: screenOf(sent) };
  } finally {
    clearTimeout(timer);
    await keyboard.close().catch(() => {});
  }
}

/** What a screen shows after what was sent to it. */
export function screenOf(sent: string): string[] {
  const lines = [""];
  let column = 0;
  // deno-lint-ignore no-control-regex
  for (const part of sent.match(/\x1b\[[0-9;]*[A-Za-z]|[^]/gu) ?? []) {
    const line = lines[lines.length - 1];
    if (part === "\n") {
      lines.push("");
      column = 0;
    } else if (part === "\r") column = 0;
    else if (part === "\x1b[K") lines[lines.length - 1] = line.slice(0, column);
    else if (part.startsWith("\x1b")) {
      throw new Error(`Unexpected control sequence ${JSON.stringify(part)}`);
    } else {
      lines[lines.length - 1] = line.slice(0, column) + part +
        line.slice(column + 1);
      column++;
    }
  }
  return lines;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
