import { parseCommandArgs } from "./args.ts";
import { UsageError } from "./errors.ts";
import { suggestionFor } from "./suggestion.ts";

/** A flag, from which come its parsing, its help and its completions. */
export interface Flag {
  /** What its value is called; a switch has none. `FILE` and `DIR` complete. */
  readonly argument?: string;
  /** What it is for, without choices and default, which the help appends. */
  readonly help: string;
  /** All its values, if there are only a few. */
  readonly choices?: readonly string[];
  /** What one of the choices is, for the error of another value. */
  readonly noun?: string;
  /** Its value where it is not given. */
  readonly default?: string;
  /** What happens without it, where that takes words rather than a value. */
  readonly whenAbsent?: string;
  /** Whether its value may be empty. */
  readonly mayBeEmpty?: boolean;
  /** The heading in the help; `Options` by default. */
  readonly heading?: string;
  /** Reads its value; throws a {@linkcode UsageError} that names the flag. */
  readonly parse?: (text: string, flag: string) => unknown;
}

/** The flags of a command, by name, without dashes. */
export type Flags = Readonly<Record<string, Flag>>;

type FlagValue<F extends Flag> = F extends { readonly argument: string } ?
    | (F extends { readonly parse: (...args: never[]) => infer T } ? T
      : F extends { readonly choices: readonly (infer T)[] } ? T
      : string)
    | (F extends { readonly default: string } ? never : undefined)
  : boolean;

/** What was given for each flag of a command. */
export type FlagValues<F extends Flags> = string extends keyof F
  ? Readonly<Record<string, unknown>>
  : { readonly [N in keyof F]: FlagValue<F[N]> };

/** A subcommand. */
export interface Command<F extends Flags = Flags> {
  /** Paragraphs; the first says what it does, the others come after the usage. */
  readonly description: string;
  /** Its flags, besides `--help`. */
  readonly flags: F;
  /** All its operands, if there are only a few. */
  readonly choices?: readonly string[];
  /** Command lines to learn from. */
  readonly examples: readonly string[];
  /** Returns the exit code. */
  run(flags: FlagValues<F>, operands: readonly string[]): Promise<number>;
}

/** A command as it is listed; the rest is loaded when it is needed. */
export interface CommandEntry {
  /** Its operands, as for {@linkcode parseCommandArgs}. */
  readonly operands: readonly string[];
  /** What it does, in a few words. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** The commands there are, by name. */
export type Commands = Readonly<Record<string, CommandEntry>>;

/** The flag that every command has; main.ts carries it out. */
export const HELP_FLAG: Flag = { help: "show this help" };

/** Finds a command, or throws a {@linkcode UsageError} with what is near. */
export function findCommand(commands: Commands, name: string): CommandEntry {
  if (Object.hasOwn(commands, name)) return commands[name];
  const isOption = name.startsWith("-");
  const known = isOption ? ["--help", "--version"] : Object.keys(commands);
  const suggestion = suggestionFor(name, known) ??
    (isOption ? "the options of a command come after it" : undefined);
  throw new UsageError(
    `Unknown ${isOption ? "option" : "command"} "${name}"${
      suggestion ? `; ${suggestion}` : ""
    }`,
  );
}

/** Parses the arguments of a command and runs it. */
export async function runCommand(
  { operands, load }: CommandEntry,
  args: readonly string[],
): Promise<number> {
  const command = await load();
  const parsed = parseFlags(command.flags, args, operands);
  return await command.run(parsed.flags, parsed.operands);
}

/** Parses arguments; throws a {@linkcode UsageError} if they are wrong. */
export function parseFlags<F extends Flags>(
  flags: F,
  args: readonly string[],
  operands: readonly string[] = [],
): { flags: FlagValues<F>; operands: readonly string[] } {
  const all = Object.entries<Flag>(flags);
  const valued = all.filter(([, { argument }]) => argument !== undefined);
  const parsed = parseCommandArgs(args, {
    values: Object.fromEntries(
      valued.map(([name, flag]) => [name, flag.default]),
    ),
    switches: all.filter(([, { argument }]) => argument === undefined)
      .map(([name]) => name),
    mayBeEmpty: valued.filter(([, { mayBeEmpty }]) => mayBeEmpty)
      .map(([name]) => name),
  }, operands);
  const values = all.map(([name, flag]) => [
    name,
    flag.argument === undefined
      ? parsed.has(name)
      : parseValue(name, flag, parsed.value(name)),
  ]);
  return {
    flags: Object.fromEntries(values) as FlagValues<F>,
    operands: parsed.operands,
  };
}

function parseValue(name: string, flag: Flag, text: string | undefined) {
  if (text === undefined) return undefined;
  const { choices, noun, parse } = flag;
  if (choices !== undefined && !choices.includes(text)) {
    throw noun === undefined
      ? new UsageError(
        `--${name} must be one of ${choices.join(", ")}, found "${text}"`,
      )
      : unknownChoice(noun, text, choices);
  }
  return parse === undefined ? text : parse(text, name);
}

/** The error of a text that is none of the choices. */
export function unknownChoice(
  noun: string,
  text: string,
  choices: readonly string[],
): UsageError {
  const expected = choices.length > 3
    ? `one of ${choices.join(", ")}`
    : alternatives(choices);
  return new UsageError(`Unknown ${noun} "${text}"; expected ${expected}`);
}

/** Such as `bash, zsh or fish`. */
export function alternatives(choices: readonly string[]): string {
  return choices.join(", ").replace(/, ([^,]+)$/, " or $1");
}
