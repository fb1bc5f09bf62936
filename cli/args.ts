import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "./errors.ts";
import { suggestionFor } from "./suggestion.ts";

/** The flags in arguments. */
interface FlagNames {
  /** Flags with a value, by name, and their defaults. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Flags without a value. */
  readonly switches?: readonly string[];
  /** The flags whose value may be empty. */
  readonly mayBeEmpty?: readonly string[];
}

/** Arguments after parsing. */
interface ParsedArgs {
  /** The operands, in order. */
  readonly operands: readonly string[];
  /** The value of a flag, or its default. */
  value(name: string): string | undefined;
  /** Whether a switch was given. */
  has(name: string): boolean;
}

/**
 * Parses arguments; after `--` all are operands. An operand named `[NAME]` is
 * optional, and a last one named `NAME…` takes one or more. Throws a
 * {@linkcode UsageError} if an argument is unknown, repeated, missing, or has a
 * value that it should not have.
 */
export function parseCommandArgs(
  args: readonly string[],
  flags: FlagNames,
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
        // Not taken from `_`, which turns some texts into numbers.
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
 * Joins flags to their values with `=`. Otherwise the parser takes an operand
 * "true" for the value of a switch, and "" or -1 for no value.
 */
function* joinValues(
  args: readonly string[],
  { values, switches = [] }: FlagNames,
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
      // The parser takes --no-name=value for --name=value.
      if (inline !== undefined && name.startsWith("no-")) refuse(arg);
      yield arg;
    }
  }
}

/** Whether arguments have one of the flags, as it is written, before `--`. */
export function hasFlag(
  args: readonly string[],
  ...names: readonly string[]
): boolean {
  const end = args.indexOf("--");
  const before = end < 0 ? args : args.slice(0, end);
  return before.some((arg) => names.includes(arg));
}

/** A lone dash is an operand that stands for standard input. */
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
