import type {
  Argument,
  CommandSpec,
  FlagSpec,
  Shell,
} from "./_completion_spec.ts";

/** Makes the completions of each shell. */
export const SCRIPTS: Readonly<
  Record<Shell, (commands: readonly CommandSpec[]) => string>
> = { bash: bashScript, zsh: zshScript, fish: fishScript };

function bashScript(commands: readonly CommandSpec[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const flags = new Map(
    commands.flatMap((command) =>
      command.flags.map((flag) => [flag.name, flag.argument] as const)
    ),
  );
  const behind = [...flags].flatMap(([name, argument]) =>
    argument === undefined
      ? []
      : [`    --${name}) ${bashOffer(argument)} return ;;`]
  );
  const words = commands.map(({ name, flags, operand }) =>
    `    ${name})
      words="${flags.map(({ name }) => `--${name}`).join(" ")}"
      [[ $cur == -* ]] || { ${bashOffer(operand)} return; }
      ;;`
  );
  return `# kvs completions for bash: source this file.
_kvs() {
  local words=
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    _kvs_offer -W "${names} --help --version"
    return
  fi
  case $prev in
${behind.join("\n")}
  esac
  case \${COMP_WORDS[1]} in
${words.join("\n")}
  esac
  _kvs_offer -W "$words"
}
_kvs_offer() {
  local IFS=$' \\t\\n' offer
  while IFS= read -r offer; do
    COMPREPLY+=("$offer")
  done < <(compgen "$@" -- "$cur")
}
complete -o filenames -F _kvs kvs
`;
}

function bashOffer(argument: Argument | undefined): string {
  switch (argument?.kind) {
    case "choice":
      return `_kvs_offer -W "${argument.choices.join(" ")}";`;
    case "file":
      return "_kvs_offer -f;";
    case "directory":
      return "_kvs_offer -d;";
    default:
      return "";
  }
}

function zshScript(commands: readonly CommandSpec[]): string {
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
    _describe command commands
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

function zshFlag({ name, description, argument }: FlagSpec): string {
  const text = description.replace(/[[\]\\:]/g, "\\$&");
  const behind = argument === undefined ? "" : `:${zshArgument(argument)}`;
  return `--${name}[${text}]${behind}`;
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

function fishScript(commands: readonly CommandSpec[]): string {
  const lines = [
    "# kvs completions for fish: save this file in ~/.config/fish/completions.",
    "complete -c kvs -f",
  ];
  for (const { name, description, flags, operand } of commands) {
    lines.push(
      `complete -c kvs -n __fish_use_subcommand -a ${name} -d ${
        fishQuoted(description)
      }`,
    );
    const when = `complete -c kvs -n '__fish_seen_subcommand_from ${name}'`;
    for (const flag of flags) {
      const behind = flag.argument === undefined
        ? ""
        : ` -r${fishOffer(flag.argument)}`;
      lines.push(
        `${when} -l ${flag.name}${behind} -d ${fishQuoted(flag.description)}`,
      );
    }
    if (operand !== undefined && operand.kind !== "text") {
      lines.push(`${when}${fishOffer(operand)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishOffer(argument: Argument): string {
  switch (argument.kind) {
    case "choice":
      return ` -f -a ${fishQuoted(argument.choices.join(" "))}`;
    case "file":
      return " -F";
    case "directory":
      return " -f -a '(__fish_complete_directories)'";
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
