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

/** What Ctrl-D types. */
export const CTRL_D = "\x04";

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
  /** What is typed once the screen shows `after`; without it at once. */
  readonly type?: { readonly keys: string; readonly after?: string };
  /** What a shell appends to the command, such as `> FILE`. */
  readonly redirect?: string;
  /** A program that runs the command, with its own arguments. */
  readonly through?: readonly string[];
  /**
   * How wide the terminal is.
   *
   * @default {80}
   */
  readonly columns?: number;
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
  { type, redirect = "", through = [], columns = 80 }: TerminalOptions = {},
): Promise<TerminalResult> {
  const command = [...through, ...commandLine(args)].map(quoted).join(" ");
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `stty cols ${columns}; exec ${command} ${redirect}`,
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
  let typed = type === undefined;
  const typeIfDue = async () => {
    if (type === undefined || typed || !sent.includes(type.after ?? "")) return;
    typed = true;
    await keyboard.write(new TextEncoder().encode(type.keys));
  };
  try {
    await typeIfDue();
    for await (
      const text of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      sent += text;
      await typeIfDue();
    }
    const { code } = await child.status;
    if (late) {
      throw new Error(
        `Waited ${DEADLINE_MS / 1_000} s for the end of kvs ${
          args.join(" ")
        }; it has sent ${JSON.stringify(sent)}`,
      );
    }
    return { code, sent, screen: screenOf(sent, columns) };
  } finally {
    clearTimeout(timer);
    await keyboard.close().catch(() => {});
  }
}

/**
 * What a screen shows after what was sent to it.
 *
 * @param sent All of it.
 * @param columns How wide the screen is: a longer line goes on in the next.
 * @returns The lines, the one that the cursor is in as the last.
 * @throws {Error} If there is a control sequence that it does not know.
 */
export function screenOf(sent: string, columns: number): string[] {
  const lines = [""];
  let column = 0;
  // deno-lint-ignore no-control-regex
  for (const part of sent.match(/\x1b\[[0-9;]*[A-Za-z]|[^]/gu) ?? []) {
    if (part === "\r") {
      column = 0;
    } else if (part === "\n") {
      lines.push("");
      column = 0;
    } else if (part === "\x1b[K") {
      lines.push(lines.pop()!.slice(0, column));
    } else if (part === "\t" || part >= " ") {
      // At its end a line goes on in the next one only when there is more.
      if (column === columns) {
        lines.push("");
        column = 0;
      }
      const line = lines.pop()!.padEnd(column);
      lines.push(line.slice(0, column) + part + line.slice(column + 1));
      column++;
    } else {
      throw new Error(`Unexpected control sequence ${JSON.stringify(part)}`);
    }
  }
  return lines;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
