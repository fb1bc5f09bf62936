/**
 * Stands in for `@std/cli/parse-args`. It leaves aside the typing of flags
 * with a dot in their names, and of results that the caller describes.
 *
 * @module
 */

import type { AliasOptions, Args, ParseOptions } from "./_types.ts";

type Value = string | number | boolean;

/**
 * Parses command line arguments.
 *
 * @param args The arguments.
 * @param options Which flags there are, and of what kind.
 * @returns The value of each flag by its name, and the other arguments as `_`.
 */
export function parseArgs<
  Booleans extends boolean | string | undefined = undefined,
  Strings extends string | undefined = undefined,
  Collected extends string | undefined = undefined,
  Negatable extends string | undefined = undefined,
  Defaults extends Record<string, unknown> | undefined = undefined,
  const Aliases extends AliasOptions | undefined = undefined,
  DoubleDash extends boolean | undefined = undefined,
>(
  args: readonly string[],
  options?: ParseOptions<
    Booleans,
    Strings,
    Collected,
    Negatable,
    Defaults,
    Aliases,
    DoubleDash
  >,
): Args<
  Booleans,
  Strings,
  Collected,
  Negatable,
  Defaults,
  Aliases,
  DoubleDash
>;
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Record<string, unknown> {
  const end = args.indexOf("--");
  const parser = new Parser(end < 0 ? args : args.slice(0, end), options);
  const result = parser.parse();
  const behind = end < 0 ? [] : args.slice(end + 1);
  if (options["--"]) result["--"] = behind;
  else result._.push(...behind);
  return result;
}

class Parser {
  readonly #args: readonly string[];
  readonly #options: ParseOptions;
  readonly #aliases: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #result: { _: Value[]; [name: string]: unknown } = { _: [] };
  #next = 0;

  constructor(args: readonly string[], options: ParseOptions) {
    this.#args = args;
    this.#options = options;
    this.#aliases = groupAliases(options.alias ?? {});
    const { boolean } = options;
    this.#booleans = this.#flags(typeof boolean === "boolean" ? [] : boolean);
    this.#strings = this.#flags(options.string);
    this.#collected = this.#flags(options.collect);
    this.#negatable = this.#flags(options.negatable);
  }

  /** The flags that an option names, under all their names. */
  #flags(names: string | readonly string[] = []): Set<string> {
    const all = new Set<string>();
    for (const name of typeof names === "string" ? [names] : names) {
      if (name !== "") this.#namesOf(name).forEach((other) => all.add(other));
    }
    return all;
  }

  #namesOf(name: string): ReadonlySet<string> {
    return this.#aliases.get(name) ?? new Set([name]);
  }

  parse(): { _: Value[]; [name: string]: unknown } {
    while (this.#next < this.#args.length) {
      const arg = this.#args[this.#next++];
      if (arg.startsWith("--")) this.#readLong(arg);
      else if (arg.startsWith("-") && arg !== "-") this.#readShort(arg);
      else {
        this.#readOperand(arg);
        if (!this.#options.stopEarly) continue;
        this.#result._.push(...this.#args.slice(this.#next));
        break;
      }
    }
    this.#addDefaults();
    return this.#result;
  }

  #readOperand(arg: string): void {
    if (this.#options.unknown?.(arg) === false) return;
    this.#result._.push(this.#strings.has("_") ? arg : toNumber(arg));
  }

  #readLong(arg: string): void {
    const negated = arg.startsWith("--no-") && arg.length > 5;
    const text = arg.slice(negated ? 5 : 2);
    const equals = text.indexOf("=", 1);
    if (equals > 0) {
      const name = text.slice(0, equals);
      const value = text.slice(equals + 1);
      this.#set(
        name,
        this.#booleans.has(name) ? value !== "false" : value,
        arg,
      );
    } else if (negated && this.#negatable.has(text)) {
      this.#set(text, false, arg, false);
    } else {
      const takesValue = this.#options.boolean !== true;
      this.#setFromNext(
        negated ? `no-${text}` : text,
        arg,
        (next) => takesValue && !next.startsWith("-"),
      );
    }
  }

  /** Reads `-abc`: flags of one letter, the last of which may have a value. */
  #readShort(arg: string): void {
    const last = arg.length - 1;
    for (let at = 1; at < last; at++) {
      const name = arg[at];
      const value = findGluedValue(name, arg.slice(at + 1));
      if (value !== undefined) return this.#set(name, value, arg);
      this.#set(name, this.#strings.has(name) ? "" : true, arg);
    }
    if (arg[last] === "-") return;
    this.#setFromNext(arg[last], arg, (next) => !/^--?[^-]/.test(next));
  }

  /** Sets a flag to the argument behind it, if that is a value for it. */
  #setFromNext(
    name: string,
    arg: string,
    isValue: (next: string) => boolean,
  ): void {
    const next = this.#args[this.#next] ?? "";
    let value: Value = this.#strings.has(name) ? "" : true;
    if (next !== "" && !this.#booleans.has(name) && isValue(next)) {
      value = next;
      this.#next++;
    } else if (next === "true" || next === "false") {
      value = next === "true";
      this.#next++;
    }
    this.#set(name, value, arg);
  }

  #set(name: string, value: Value, arg: string, collect = true): void {
    if (
      !this.#isKnown(name, arg) &&
      this.#options.unknown?.(arg, name, value) === false
    ) return;
    if (typeof value === "string" && !this.#strings.has(name)) {
      value = toNumber(value);
    }
    for (const other of this.#namesOf(name)) {
      setPath(
        this.#result,
        other,
        value,
        collect && this.#collected.has(name),
      );
    }
  }

  #isKnown(name: string, arg: string): boolean {
    return this.#booleans.has(name) || this.#strings.has(name) ||
      this.#collected.has(name) || this.#aliases.has(name) ||
      (this.#options.boolean === true && /^--[^=]+$/.test(arg));
  }

  #addDefaults(): void {
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      if (hasPath(this.#result, name)) continue;
      for (const other of this.#namesOf(name)) {
        setPath(this.#result, other, value, false);
      }
    }
    for (const name of this.#booleans) {
      if (hasPath(this.#result, name)) continue;
      const value = this.#collected.has(name) ? [] : false;
      setPath(this.#result, name, value, false);
    }
    for (const name of this.#strings) {
      if (!this.#collected.has(name) || hasPath(this.#result, name)) continue;
      setPath(this.#result, name, [], false);
    }
  }
}

/** For each name that has others, all of them and itself. */
function groupAliases(options: AliasOptions): Map<string, Set<string>> {
  const groups = new Map<string, Set<string>>();
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) throw new TypeError("Alias value must be defined");
    const group = new Set([
      name,
      ...typeof value === "string" ? [value] : value,
    ]);
    for (const member of group) groups.set(member, group);
  }
  return groups;
}

/** The value of a one-letter flag in what follows it in the same argument. */
function findGluedValue(name: string, rest: string): string | undefined {
  if (rest === "-") return rest;
  if (rest === "=") return "";
  if (/[A-Za-z]/.test(name)) {
    const value = /=(.+)/.exec(rest)?.[1];
    if (value !== undefined) return value;
    if (/\d(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
  }
  return rest.length > 1 && /\W/.test(rest[0]) ? rest : undefined;
}

function toNumber(text: string): string | number {
  if (text.trim() === "") return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

type Tree = Record<string, unknown>;

/** Sets `a.b` to a value or, if it is collected, appends the value. */
function setPath(
  tree: Tree,
  path: string,
  value: unknown,
  collect: boolean,
): void {
  const keys = path.split(".");
  // No argument may reach the prototype of every object
  if (keys.includes("__proto__") || keys.includes("constructor")) return;
  const last = keys.pop()!;
  let branch = tree;
  for (const key of keys) {
    if (!Object.hasOwn(branch, key)) branch[key] = {};
    branch = branch[key] as Tree;
  }
  if (!collect) {
    branch[last] = value;
    return;
  }
  const before = Object.hasOwn(branch, last) ? branch[last] : undefined;
  if (Array.isArray(before)) before.push(value);
  else branch[last] = before ? [before, value] : [value];
}

function hasPath(tree: Tree, path: string): boolean {
  let branch: unknown = tree;
  for (const key of path.split(".")) {
    if (typeof branch !== "object" || branch === null) return false;
    if (!Object.hasOwn(branch, key)) return false;
    branch = (branch as Tree)[key];
  }
  return true;
}
