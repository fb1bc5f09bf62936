/**
 * The program under test, as processes: the binary that `KVS_BIN` names, or
 * else `main.ts` with the permissions that the tasks give it.
 *
 * @module
 */

import { packageFlags } from "../../bench/support/deno_flags.ts";
import { within } from "../_deadline.ts";
import project from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** What the tasks allow, so that a permission that is missing there shows. */
export const PERMISSIONS = Array.from(
  project.tasks.serve.command.matchAll(/--allow-[^\s=]+(=('[^']*'|\S+))?/g),
  ([flag]) => flag.replaceAll("'", ""),
);

/** The binary under test, if it is one. */
export const BINARY = Deno.env.get("KVS_BIN");

/** What a process that has ended left behind. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface RunOptions {
  /**
   * What it reads.
   *
   * @default {""}
   */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  /**
   * Whether nobody reads what it prints.
   *
   * @default {false}
   */
  readonly closeStdout?: boolean;
  /**
   * What it may do; a binary has its own.
   *
   * @default the permissions of the tasks
   */
  readonly permissions?: readonly string[];
  /**
   * Further variables of its environment.
   *
   * @default {{}}
   */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * What `KVS_TOKEN` is, byte by byte: no zero byte, and no newline at the end.
   *
   * @default as in `env`
   */
  readonly tokenBytes?: Uint8Array;
}

/**
 * Runs a command to its end.
 *
 * @param args The arguments.
 * @param options What it reads and may do.
 * @returns What it printed, and its exit code.
 */
export async function kvs(
  args: readonly string[],
  {
    stdin = "",
    closeStdout = false,
    permissions = PERMISSIONS,
    env,
    tokenBytes,
  }: RunOptions = {},
): Promise<Result> {
  const child = spawn(args, permissions, {
    env,
    tokenBytes,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const stdout = closeStdout
    ? child.stdout.cancel().then(() => "")
    : textOf(child.stdout);
  const stderr = textOf(child.stderr);
  const writer = child.stdin.getWriter();
  // Rejects where a command ends without reading, which is no failure.
  const input = typeof stdin === "string"
    ? new TextEncoder().encode(stdin)
    : stdin;
  writer.write(input).catch(() => {});
  writer.close().catch(() => {});
  const { code } = await inTime(
    `the end of kvs ${args.join(" ")}`,
    child.status,
    child,
  );
  return { code, stdout: await stdout, stderr: await stderr };
}

/** All of a stream, a byte order mark included. */
async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const bytes = await new Response(stream).arrayBuffer();
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** A running `kvs serve`, killed at the end of an `await using` block. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  readonly #awaited = new Map<string, () => void>();
  readonly #logged: Promise<void>;
  #log = "";
  #addr: string | undefined;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#ended = child.status;
    this.#logged = this.#readLog();
  }

  /**
   * Starts a server on a free port, and waits until it listens.
   *
   * @param args The arguments behind `serve`.
   * @returns The server.
   * @throws {Error} If it ends instead; the message is all that it logged.
   */
  static start(...args: string[]): Promise<ServerProcess> {
    return ServerProcess.startWith({}, "--addr", "127.0.0.1:0", ...args);
  }

  /**
   * Starts a server, and waits until it listens.
   *
   * @param options Its environment, and what it may do.
   * @param args The arguments behind `serve`.
   * @returns The server.
   * @throws {Error} If it ends instead; the message is all that it logged.
   */
  static async startWith(
    { env, permissions = PERMISSIONS }: Pick<
      RunOptions,
      "env" | "permissions"
    >,
    ...args: string[]
  ): Promise<ServerProcess> {
    return await ServerProcess.over(
      spawn(["serve", ...args], permissions, {
        env,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }),
    );
  }

  /**
   * Waits until a process listens that logs as a server does.
   *
   * @param child The process, with its standard error piped.
   * @returns The server.
   * @throws {Error} If it ends instead; the message is all that it logged.
   */
  static async over(child: Deno.ChildProcess): Promise<ServerProcess> {
    const server = new ServerProcess(child);
    await server.logged("Listening on");
    server.#addr = /Listening on ([^\s"]+)/.exec(server.log)?.[1];
    if (server.#addr === undefined) throw new Error(server.log);
    return server;
  }

  /** Where it listens. */
  get addr(): string {
    return this.#addr ?? "";
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log;
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until it has logged a line with some text, or has ended. */
  async logged(text: string): Promise<void> {
    const found = new Promise<void>((resolve) => {
      this.#awaited.set(text, resolve);
    });
    this.#announce();
    const said = Promise.race([found, this.#logged]);
    await inTime(`the server to log ${text}`, said, this.#child);
  }

  /** Sends it a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end, and for all that it logs until then. */
  async end(): Promise<Deno.CommandStatus> {
    const status = await inTime("the server's end", this.#ended, this.#child);
    await this.#logged;
    return status;
  }

  /** Kills it, if need be, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.end();
  }

  async #readLog(): Promise<void> {
    const text = this.#child.stderr.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      this.#log += chunk;
      this.#announce();
    }
  }

  #announce(): void {
    const whole = this.#log.slice(0, this.#log.lastIndexOf("\n") + 1);
    for (const [text, resolve] of this.#awaited) {
      if (whole.includes(text)) resolve();
    }
  }
}

function spawn(
  args: readonly string[],
  permissions: readonly string[],
  { env: variables, tokenBytes, ...streams }:
    & Pick<Deno.CommandOptions, "env" | "stdin" | "stdout" | "stderr">
    & Pick<RunOptions, "tokenBytes">,
): Deno.ChildProcess {
  const env = { NO_COLOR: "1", ...variables };
  const command = commandLine(args, permissions);
  if (tokenBytes !== undefined) {
    const octal = Array.from(
      tokenBytes,
      (byte) => `\\${byte.toString(8).padStart(3, "0")}`,
    );
    const script = `KVS_TOKEN=$(printf '${octal.join("")}')
export KVS_TOKEN
exec "$@"`;
    command.unshift("sh", "-c", script, "sh");
  }
  return new Deno.Command(command[0], {
    args: command.slice(1),
    env,
    ...streams,
  }).spawn();
}

/**
 * How to start a command.
 *
 * @param args Its arguments.
 * @param permissions What it may do; a binary has its own.
 * @returns The program and all of its arguments.
 */
export function commandLine(
  args: readonly string[],
  permissions: readonly string[] = PERMISSIONS,
): string[] {
  if (BINARY !== undefined) return [BINARY, ...args];
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    ...packageFlags(),
    ...permissions,
    new URL("main.ts", ROOT).href,
    ...args,
  ];
}

/** Waits for something, and kills the process if it takes too long. */
export async function inTime<T>(
  what: string,
  promise: Promise<T>,
  child: Deno.ChildProcess,
): Promise<T> {
  let isOver = false;
  try {
    return await within(what, promise.finally(() => isOver = true));
  } finally {
    if (!isOver) child.kill("SIGKILL");
  }
}
