import { parseArgs } from "@std/cli/parse-args";
import { UsageError } from "./_errors.ts";

/** The flags that a command takes. */
export interface Flags {
  /** Flags with a value, by name, with the value where none is given. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Flags without one. */
  readonly switches?: readonly string[];
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
 * Parses the arguments of a command. Behind `--` everything is an operand.
 *
 * @param args The arguments.
 * @param flags The flags it takes.
 * @param operands The names of its operands, for the error: `[NAME]` may be
 * missing, and a last one `NAME…` may stand for several.
 * @returns What was found.
 * @throws {UsageError} If a flag is unknown, has no value, or is given twice,
 * or if there are fewer operands or more.
 */
export function parseCommandArgs(
  args: readonly string[],
  flags: Flags,
  operands: readonly string[],
): ParsedArgs {
  const names = Object.keys(flags.values);
  const switches = flags.switches ?? [];
  const isSwitch = (arg: string) =>
    switches.some((name) => arg === `--${name}`);
  const separator = args.indexOf("--");
  const end = separator < 0 ? args.length : separator;
  const parsed: ReturnType<typeof parseArgs> = parseArgs(
    args.map((arg, i) =>
      // Else the parser takes an operand "true" or "false" for the value of the
      // switch in front of it.
      i < end && isSwitch(arg) ? `${arg}=true` : arg
    ),
    {
      string: [...names, "_"],
      boolean: [...switches],
      collect: [...names],
      "--": true,
      unknown: (arg, key) => {
        if (key === undefined) return true;
        throw new UsageError(
          `Unknown option "${arg}"; put -- before an operand that begins with -`,
        );
      },
    },
  );
  const given = [...parsed._, ...parsed["--"] ?? []].map(String);
  const needed = operands.filter((name) => !name.startsWith("["));
  if (given.length < needed.length) {
    throw new UsageError(
      `${needed[given.length].replace("…", "")} is missing`,
    );
  }
  const isOpen = operands.at(-1)?.endsWith("…") ?? false;
  if (given.length > operands.length && !isOpen) {
    throw new UsageError(`Unexpected operand "${given[operands.length]}"`);
  }
  const values = new Map<string, string>();
  for (const name of names) {
    const found: unknown = parsed[name];
    const all: unknown[] = Array.isArray(found) ? found : [];
    if (all.length > 1) throw new UsageError(`--${name} is given twice`);
    if (all.length === 0) continue;
    const [value] = all;
    if (typeof value !== "string" || value === "") {
      throw new UsageError(`--${name} needs a value`);
    }
    values.set(name, value);
  }
  return {
    operands: given,
    value: (name) => values.get(name) ?? flags.values[name],
    has: (name) => parsed[name] === true,
  };
}
