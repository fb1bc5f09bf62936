import {
  type Command,
  type Commands,
  type Flag,
  HELP_FLAG,
} from "./command.ts";
import { describeFlag } from "./help_text.ts";

/** The shells that there are completions for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** What a shell may offer after a flag or as an operand. */
type Argument =
  | { readonly kind: "choice"; readonly choices: readonly string[] }
  | { readonly kind: "file" }
  | { readonly kind: "directory" }
  /** What only the user knows. */
  | { readonly kind: "text"; readonly name: string };

/** A flag as a shell completes it; a switch has no argument. */
interface CompletedFlag {
  readonly name: string;
  readonly description: string;
  readonly argument: Argument | undefined;
}

/** A command as a shell completes it. */
interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly CompletedFlag[];
  readonly operand: Argument | undefined;
}

/** Makes the script with which a shell completes commands. */
export async function completionScript(
  shell: typeof SHELLS[number],
  commands: Commands,
): Promise<string> {
  const completed = await Promise.all(
    Object.entries(commands).map(async ([name, { operands, summary, load }]) =>
      completedCommand(name, operands[0], summary, await load())
    ),
  );
  return SCRIPTS[shell](completed);
}

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };

function completedCommand(
  name: string,
  operand: string | undefined,
  description: string,
  { flags, choices }: Command,
): CompletedCommand {
  return {
    name,
    description,
    flags: Object.entries({ ...flags, help: HELP_FLAG }).map(completedFlag),
    operand: argumentOf(operand?.replace(/[^A-Z]/g, ""), choices),
  };
}

function completedFlag([name, flag]: readonly [string, Flag]): CompletedFlag {
  return {
    name,
    description: describeFlag(flag),
    argument: argumentOf(flag.argument, flag.choices),
  };
}

function argumentOf(
  name: string | undefined,
  choices: readonly string[] | undefined,
): Argument | undefined {
  if (name === undefined) return undefined;
  if (choices !== undefined) return { kind: "choice", choices };
  if (name === "FILE") return { kind: "file" };
  if (name === "DIR") return { kind: "directory" };
  return { kind: "text", name };
}

/** The flags in place of a command. */
const GLOBAL_FLAGS = Object.entries({
  help: HELP_FLAG,
  version: { help: "show the version" },
}).map(completedFlag);

function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const flags = new Map(
    commands.flatMap((command) =>
      command.flags.map((flag) => [flag.name, flag.argument] as const)
    ),
  );
  const values = [...flags].flatMap(([name, argument]) =>
    argument === undefined
      ? []
      : [`    --${name}) ${bashOffer(argument)} return ;;`]
  );
  const words = commands.map(({ name, flags, operand }) =>
    `    ${name})
      words="${flagNames(flags)}"
      [[ $cur == -* ]] || { ${bashOffer(operand)} return; }
      ;;`
  );
  return `# kvs completions for bash: source this file.
_kvs() {
  local words=
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local kept=
  COMPREPLY=()
  # Usually = is among COMP_WORDBREAKS, and a word of its own
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $cur == --*=* ]]; then
    prev=\${cur%%=*} kept=\${cur%%=*}= cur=\${cur#*=}
  fi
  if (( COMP_CWORD == 1 )); then
    _kvs_offer -W "${names} ${flagNames(GLOBAL_FLAGS)}"
    return
  fi
  case $prev in
${values.join("\n")}
  esac
  case \${COMP_WORDS[1]} in
${words.join("\n")}
  esac
  _kvs_offer -W "$words"
}
_kvs_offer() {
  local IFS=$' \\t\\n' offer
  while IFS= read -r offer; do
    COMPREPLY+=("$kept$offer")
  done < <(compgen "$@" -- "$cur")
}
_kvs_offer_files() {
  compopt -o filenames 2>/dev/null
  _kvs_offer "$@"
}
complete -F _kvs kvs
`;
}

function flagNames(flags: readonly CompletedFlag[]): string {
  return flags.map(({ name }) => `--${name}`).join(" ");
}

function bashOffer(argument: Argument | undefined): string {
  switch (argument?.kind) {
    case "choice":
      return `_kvs_offer -W "${argument.choices.join(" ")}";`;
    case "file":
      return "_kvs_offer_files -f;";
    case "directory":
      return "_kvs_offer_files -d;";
    default:
      return "";
  }
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const list = commands.map(({ name, description }) =>
    `    ${quoted(`${name}:${description}`)}`
  );
  const cases = commands.map(({ name, flags, operand }) => {
    const specs = flags.map((flag) => `        ${quoted(zshFlag(flag))}`);
    if (operand !== undefined) {
      specs.push(`        ${quoted(`*:${zshArgument(operand)}`)}`);
    }
    return `    ${name})\n      _arguments \\\n${
      specs.join(" \\\n")
    }\n      ;;`;
  });
  return `#compdef kvs
# kvs completions for zsh: source this file, or save it as _kvs in $fpath.
_kvs() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    if [[ $PREFIX == -* ]]; then
      _arguments ${GLOBAL_FLAGS.map((flag) => quoted(zshFlag(flag))).join(" ")}
    else
      _describe command commands
    fi
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${cases.join("\n")}
  esac
}
if [[ $funcstack[1] == _kvs ]]; then
  _kvs "$@"
else
  compdef _kvs kvs
fi
`;
}

function zshFlag({ name, description, argument }: CompletedFlag): string {
  const text = description.replace(/[[\]\\:]/g, "\\$&");
  const value = argument === undefined ? "" : `:${zshArgument(argument)}`;
  const joined = argument === undefined ? "" : "=";
  return `--${name}${joined}[${text}]${value}`;
}

function zshArgument(argument: Argument): string {
  switch (argument.kind) {
    case "choice":
      return `choice:(${argument.choices.join(" ")})`;
    case "file":
      return "file:_files";
    case "directory":
      return "directory:_files -/";
    case "text":
      return `${argument.name.replaceAll(":", "\\:")}: `;
  }
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = [
    "# kvs completions for fish: save this file in ~/.config/fish/completions.",
    "function __fish_kvs_command",
    "    set -l words (commandline -opc)",
    '    test "$words[2]" = "$argv[1]"',
    "end",
    "function __fish_kvs_directories",
    "    __fish_complete_directories (commandline -ct | string replace -r '^--[^=]*=' '')",
    "end",
    "complete -c kvs -f",
  ];
  for (const flag of GLOBAL_FLAGS) {
    lines.push(`complete -c kvs -n '__fish_kvs_command ""' ${fishFlag(flag)}`);
  }
  for (const { name, description, flags, operand } of commands) {
    lines.push(
      `complete -c kvs -n '__fish_kvs_command ""' -a ${name} -d ${
        fishQuoted(description)
      }`,
    );
    const when = `complete -c kvs -n '__fish_kvs_command ${name}'`;
    for (const flag of flags) lines.push(`${when} ${fishFlag(flag)}`);
    if (operand !== undefined && operand.kind !== "text") {
      lines.push(`${when}${fishOffer(operand)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishFlag({ name, description, argument }: CompletedFlag): string {
  const value = argument === undefined ? "" : ` -r${fishOffer(argument)}`;
  return `-l ${name}${value} -d ${fishQuoted(description)}`;
}

function fishOffer(argument: Argument): string {
  switch (argument.kind) {
    case "choice":
      return ` -f -a ${fishQuoted(argument.choices.join(" "))}`;
    case "file":
      return " -F";
    case "directory":
      return " -f -a '(__fish_kvs_directories)'";
    case "text":
      return " -f";
  }
}

/** Quotes text for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
