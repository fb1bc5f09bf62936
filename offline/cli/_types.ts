/** The literal names in a type; none where the names are not known to it. */
type Names<T> = T extends string ? (string extends T ? never : T) : never;

/** What `--no-NAME` adds to the values of a flag. */
type Negation<Name, Negatable> = Name extends Names<Negatable> ? false : never;

/** The flags that are named in options, without aliases and defaults. */
type NamedFlags<Booleans, Strings, Collected, Negatable> =
  & { [N in Exclude<Names<Booleans>, Names<Collected>>]: boolean }
  & { [N in Extract<Names<Booleans>, Names<Collected>>]: boolean[] }
  & {
    [N in Exclude<Names<Strings>, Names<Collected> | "_">]?:
      | string
      | Negation<N, Negatable>;
  }
  & {
    [N in Extract<Names<Strings>, Names<Collected>>]:
      | string[]
      | Negation<N, Negatable>;
  }
  & {
    [N in Exclude<Names<Collected>, Names<Booleans> | Names<Strings>>]:
      | unknown[]
      | Negation<N, Negatable>;
  };

/** A flag with a default is always there, and may be as the default is. */
type WithDefaults<Flags, Defaults> = string extends keyof Defaults ? Flags
  : Defaults extends Record<string, unknown> ?
      & Omit<Flags, keyof Defaults>
      & {
        [N in keyof Defaults]: N extends keyof Flags
          ? Defaults[N] | NonNullable<Flags[N]>
          : unknown;
      }
  : Flags;

/** A name and the other names that it has. */
type NamesOf<Name, Aliases> = Name extends keyof Aliases
  ? Aliases[Name] extends infer Alias
    ? Name | (Alias extends readonly string[] ? Alias[number] : Alias)
  : never
  : Name;

type WithAliases<Flags, Aliases> = {
  [N in keyof Flags as NamesOf<N, Aliases> & PropertyKey]: Flags[N];
};

type Flatten<T> = { [N in keyof T]: T[N] };

/** What `parseArgs` returns. */
export type Args<
  Booleans,
  Strings,
  Collected,
  Negatable,
  Defaults,
  Aliases,
  DoubleDash,
> = Flatten<
  & WithAliases<
    WithDefaults<
      NamedFlags<Booleans, Strings, Collected, Negatable>,
      Defaults
    >,
    Aliases
  >
  & {
    /** The arguments that belong to no flag. */
    _: (string | number)[];
    [name: string]: unknown;
  }
  & BehindDashes<DoubleDash>
>;

type BehindDashes<DoubleDash> = [DoubleDash] extends [true] ? {
    /** The arguments behind `--`. */
    "--": string[];
  }
  : boolean extends DoubleDash ? {
      /** The arguments behind `--`, if they were asked for. */
      "--"?: string[];
    }
  : unknown;

/** Options of `parseArgs`. */
export interface ParseOptions<
  Booleans extends boolean | string | undefined = boolean | string | undefined,
  Strings extends string | undefined = string | undefined,
  Collected extends string | undefined = string | undefined,
  Negatable extends string | undefined = string | undefined,
  Defaults extends Record<string, unknown> | undefined =
    | Record<string, unknown>
    | undefined,
  Aliases extends AliasOptions | undefined = AliasOptions | undefined,
  DoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Flags without a value; `true`: every `--name` without `=`. */
  boolean?: Booleans | readonly Extract<Booleans, string>[];
  /** Flags whose value stays text, and `_` for the other arguments. */
  string?: Strings | readonly Extract<Strings, string>[];
  /** Flags that keep all the values they are given. */
  collect?: Collected | readonly Extract<Collected, string>[];
  /** Flags that `--no-NAME` turns off. */
  negatable?: Negatable | readonly Extract<Negatable, string>[];
  /** Values for flags that are not given. */
  default?: Defaults;
  /** Other names of flags. */
  alias?: Aliases;
  /** Whether flags end at the first argument that belongs to none. */
  stopEarly?: boolean;
  /** Whether what is behind `--` is kept apart, as `"--"`. */
  "--"?: DoubleDash;
  /** Asked about what no option names; `false` drops it. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Other names of flags, by name. */
export type AliasOptions = Readonly<
  Record<string, string | readonly string[] | undefined>
>;
