import { VERSION } from "../version.ts";
import {
  alternatives,
  type CommandEntry,
  type Commands,
  type Flag,
  type Flags,
  HELP_FLAG,
} from "./command.ts";

const COLUMNS = 80;

/** What `kvs --help` shows. */
export function overview(commands: Commands): string {
  const rows = Object.entries(commands).map(([name, { operands, summary }]) =>
    [synopsis(name, operands), summary] as const
  );
  return `kvs ${VERSION}: a log-structured key-value store

Usage: kvs COMMAND [OPTIONS]

Commands:
${table(rows)}
Options:
${
    table([
      ["-h, --help", "show this help; 'kvs COMMAND --help' shows a command's"],
      ["-V, --version", "show the version"],
    ])
  }
Environment:
${
    table([
      ["KVS_ADDR", "the server to use without --addr and --dir"],
      ["KVS_TOKEN", "the token to use without --auth-file"],
    ])
  }`;
}

/** What `kvs COMMAND --help` shows. */
export async function commandHelp(
  name: string,
  { operands, load }: CommandEntry,
): Promise<string> {
  const { description, flags, examples } = await load();
  const [first, ...others] = description.split("\n\n").map((paragraph) =>
    wrap(paragraph, COLUMNS).join("\n")
  );
  const parts = [
    first,
    `Usage: kvs ${synopsis(name, operands)} [OPTIONS]`,
    ...others,
    flagTables(flags).trimEnd(),
    ["Examples:", ...examples.map((line) => `  ${line}`)].join("\n"),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** What the help and the completions say of a flag. */
export function describeFlag(flag: Flag): string {
  const { help, choices, whenAbsent = flag.default } = flag;
  const listed = choices === undefined ? "" : `: ${alternatives(choices)}`;
  return whenAbsent === undefined
    ? `${help}${listed}`
    : `${help}${listed} (default: ${whenAbsent})`;
}

function flagTables(flags: Flags): string {
  const all = Object.entries({ ...flags, help: HELP_FLAG });
  const names = new Map(
    all.map(([name, flag]) => [
      flag,
      `${flag === HELP_FLAG ? "-h, " : ""}--${name}${
        flag.argument === undefined ? "" : ` ${flag.argument}`
      }`,
    ]),
  );
  const width = Math.max(...[...names.values()].map(({ length }) => length));
  const groups = Map.groupBy(
    names,
    ([{ heading = "Options" }]) => heading,
  );
  return Array.from(
    groups,
    ([heading, flags]) =>
      `${heading}:\n${
        table(flags.map(([flag, name]) => [name, describeFlag(flag)]), width)
      }`,
  ).join("\n");
}

/** Rows of a name and a text, which is wrapped beside it. */
function table(
  rows: readonly (readonly [name: string, text: string])[],
  width = Math.max(...rows.map(([name]) => name.length)),
): string {
  const indent = " ".repeat(width + 4);
  return rows.map(([name, text]) => {
    const lines = wrap(text, COLUMNS - indent.length);
    return `  ${name.padEnd(width)}  ${lines.join(`\n${indent}`)}\n`;
  }).join("");
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

function synopsis(name: string, operands: readonly string[]): string {
  return [name, ...operands].join(" ").replace("…", "...");
}
