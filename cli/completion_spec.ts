import { ENGINE_NAMES } from "../engine/directory.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../monitor/log.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import type { Command } from "./command.ts";
import { COMMANDS } from "./commands.ts";

/** What a shell may offer behind a flag or as an operand. */
export type Argument =
  /** One of these. */
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "file" }
  | { readonly kind: "directory" }
  /** Something that only the user knows. */
  | { readonly kind: "text"; readonly name: string };

/** A flag of a command, as a shell completes it. */
export interface FlagSpec {
  /** Its name, without the dashes. */
  readonly name: string;
  /** What the help says of it, as one line. */
  readonly description: string;
  /** What comes behind it; `undefined` for a switch. */
  readonly argument: Argument | undefined;
}

/** A command, as a shell completes it. */
export interface CommandSpec {
  readonly name: string;
  /** One line on what it does. */
  readonly description: string;
  readonly flags: readonly FlagSpec[];
  /** What its operands are. */
  readonly operand: Argument | undefined;
}

/** The shells that there are completions for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** A shell that there are completions for. */
export type Shell = (typeof SHELLS)[number];

/** Flags and operands of which there are only a few. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  ENGINE: ENGINE_NAMES,
  POOL: POOL_STRATEGIES,
  LOG: LOG_FORMATS,
  LEVEL: LOG_LEVELS,
  MODE: ["always", "everysec", "no"],
  FORMAT: ["json", "tab"],
  SHELL: SHELLS,
  COMMAND: Object.keys(COMMANDS),
};

/** A flag with its text, which may go on in lines that are indented further. */
const FLAG_LINES =
  /^ {2}(?:-\w, )?--([\w-]+)(?: ([A-Z][A-Z:]*))? {2,}(\S.*(?:\n {3,}\S.*)*)$/gm;
const OPERAND = /^Usage: kvs [\w-]+ \[?([A-Z]+)/m;

/**
 * Reads out of a command's help what a shell needs to know of it, so that
 * flags are written down once.
 *
 * @param name The command's name.
 * @param command The command.
 * @returns What the shell needs to know.
 */
export function specOf(name: string, { help }: Command): CommandSpec {
  const [description] = help.split("\n");
  const operand = OPERAND.exec(help)?.[1];
  return {
    name,
    description: description.replace(/[.:]$/, ""),
    flags: Array.from(
      help.matchAll(FLAG_LINES),
      ([, name, argument, text]) => ({
        name,
        description: text.replace(/\s+/g, " "),
        argument: argumentOf(argument),
      }),
    ),
    operand: operand === "OPTIONS" ? undefined : argumentOf(operand),
  };
}

function argumentOf(name: string | undefined): Argument | undefined {
  if (name === undefined) return undefined;
  if (name === "FILE") return { kind: "file" };
  if (name === "DIR") return { kind: "directory" };
  if (Object.hasOwn(CHOICES, name)) {
    return { kind: "choice", choices: CHOICES[name] };
  }
  return { kind: "text", name };
}
