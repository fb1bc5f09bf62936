import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "./errors.ts";
import { suggestionFor } from "./suggestion.ts";

/** The flags that a command takes. */
export interface Flags {
  /** Flags with a value, by name, with the value where none is given. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Flags without one. */
  readonly switches?: readonly string[];
  /** Those of `values` that may be given an empty value. */
  readonly mayBeEmpty?: readonly string[];
}

/** What was found in the arguments. */
export interface ParsedArgs {
  /** The operands, in order. */
  readonly operands: readonly string[];
  /** The value of a flag, or its default. */
  value(name: string): string | undefined;
  /** Whether a switch was given. */
  has(name: string): boolean;
}

/**
 * Parses the arguments of a command. After `--` everything is an operand.
 *
 * @param args The arguments.
 * @param flags The flags it takes.
 * @param operands The names of its operands, for the error: `[NAME]` may be
 * missing, and a last one `NAME…` may stand for several.
 * @returns What was found.
 * @throws {UsageError} If a flag is unknown, is given twice, lacks its value or
 * has one that it does not take, or if there are fewer operands or more.
 */
export function parseCommandArgs(
  args: readonly string[],
  flags: Flags,
  operands: readonly string[],
): ParsedArgs {
  const { values, switches = [], mayBeEmpty = [] } = flags;
  const names = Object.keys(values);
  const all = [...names, ...switches];
  const refuse = (arg: string) => {
    throw unknownOption(arg, all, operands);
  };
  const given: string[] = [];
  const parsed: ReturnType<typeof parseArgs> = parseArgs(
    [...joinValues(args, flags, refuse)],
    {
      string: names,
      boolean: switches,
      collect: all,
      "--": true,
      unknown: (arg, key) => {
        if (key !== undefined) refuse(arg);
        // Not taken from `_`, which has numbers in place of some texts
        given.push(arg);
        return false;
      },
    },
  );
  given.push(...parsed["--"] ?? []);
  const found = new Map<string, unknown>();
  for (const name of all) {
    const [value, ...more]: unknown[] = parsed[name] as unknown[];
    if (value === undefined) continue;
    if (more.length > 0) throw new UsageError(`--${name} is given twice`);
    if (value === "" && !mayBeEmpty.includes(name)) {
      throw new UsageError(`--${name} needs a value`);
    }
    found.set(name, value);
  }
  checkOperands(given, operands);
  return {
    operands: given,
    value: (name) => {
      const value = found.get(name);
      return typeof value === "string" ? value : values[name];
    },
    has: (name) => found.has(name),
  };
}

/**
 * Joins flags to their values with `=`, where the parser by itself would take
 * an operand "true" for the value of a switch, and "" or -1 for none.
 */
function* joinValues(
  args: readonly string[],
  { values, switches = [] }: Flags,
  refuse: (arg: string) => void,
): Generator<string> {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") return yield* args.slice(i);
    const [, name = "", inline] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (switches.includes(name)) {
      if (inline !== undefined) {
        throw new UsageError(`--${name} takes no value, found "${inline}"`);
      }
      yield `${arg}=true`;
    } else if (Object.hasOwn(values, name) && inline === undefined) {
      const value = args[++i];
      if (value === undefined) throw new UsageError(`--${name} needs a value`);
      if (isOption(value) && !/^-\d/.test(value)) {
        throw new UsageError(
          `--${name} needs a value; one that begins with - is written --${name}=${value}`,
        );
      }
      yield `${arg}=${value}`;
    } else {
      // The parser takes --no-name=value for --name=value
      if (inline !== undefined && name.startsWith("no-")) refuse(arg);
      yield arg;
    }
  }
}

/**
 * Tells whether arguments have one of some flags before `--`.
 *
 * @param args The arguments.
 * @param names How the flag is written.
 * @returns Whether it is there.
 */
export function hasFlag(
  args: readonly string[],
  ...names: readonly string[]
): boolean {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  return before.some((arg) => names.includes(arg));
}

/** A lone dash is an operand: by custom, standard input. */
function isOption(arg: string): boolean {
  return arg.startsWith("-") && arg !== "-";
}

function unknownOption(
  arg: string,
  names: readonly string[],
  operands: readonly string[],
): UsageError {
  const hint = suggestionFor(
    arg.replace(/=.*$/s, ""),
    [...names, "help"].map((name) => `--${name}`),
  ) ?? (operands.length > 0
    ? "put -- before an operand that begins with -"
    : undefined);
  return new UsageError(`Unknown option "${arg}"${hint ? `; ${hint}` : ""}`);
}

function checkOperands(
  given: readonly string[],
  operands: readonly string[],
): void {
  const needed = operands.filter((name) => !name.startsWith("["));
  if (given.length < needed.length) {
    throw new UsageError(`${needed[given.length].replace("…", "")} is missing`);
  }
  const isOpen = operands.at(-1)?.endsWith("…") ?? false;
  if (given.length > operands.length && !isOpen) {
    throw new UsageError(`Unexpected operand "${given[operands.length]}"`);
  }
}
