import { assertEquals, assertStringIncludes } from "@std/assert";
import { kvs } from "./_kvs.ts";

const decoder = new TextDecoder();

/** Runs a shell on a script, which finds the completions in `$KVS`. */
async function run(shell: string, script: string): Promise<string> {
  const { stdout: completions } = await kvs(["completions", shell]);
  const directory = Deno.makeTempDirSync({ prefix: "kvs_completions_" });
  try {
    const file = `${directory}/completions`;
    Deno.writeTextFileSync(file, completions);
    Deno.writeTextFileSync(`${directory}/a file`, "");
    // The last two are called as commands are.
    for (const name of ["folder", "serve", "get"]) {
      Deno.mkdirSync(`${directory}/${name}`);
    }
    const { code, stdout, stderr } = await new Deno.Command(shell, {
      args: ["-c", script],
      cwd: directory,
      env: { KVS: file, HOME: directory, XDG_CONFIG_HOME: directory },
    }).output();
    assertEquals([code, decoder.decode(stderr)], [0, ""]);
    return decoder.decode(stdout);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Whether to leave a test out for want of a program; never where all are due. */
function isMissing(program: string): boolean {
  if (Deno.env.get("CI") === "true") return false;
  try {
    new Deno.Command(program, { args: ["--version"] }).outputSync();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

const BASH = `
source "$KVS"
offers() {
  COMP_WORDS=(kvs "$@") COMP_CWORD=$#
  _kvs
  printf '%s,' "\${COMPREPLY[@]}"
  echo
}
offers sc
offers ""
offers get ""
offers scan --rev
offers serve --sync ""
offers serve --pool w
offers serve --log ""
offers serve --engine =
offers serve --engine = l
offers serve --engine=l
offers help com
offers serve --log-level w
offers import a
offers set k --file a
offers export --dir f
offers get --addr ""
offers completions ""
complete -p kvs
`;

Deno.test({
  name: "kvs completions bash completes commands, options and their values",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    assertEquals((await run("bash", BASH)).split("\n"), [
      "scan,",
      "serve,get,set,rm,scan,export,import,compact,stats,check,completions,help,--help,--version,",
      ",",
      "--reverse,",
      "always,everysec,no,",
      "work-stealing,",
      "text,json,",
      "kvs,level,",
      "level,",
      "--engine=level,",
      "compact,completions,",
      "warn,",
      "a file,",
      "a file,",
      "folder,",
      ",",
      "bash,zsh,fish,",
      "complete -F _kvs kvs",
      "",
    ]);
  },
});

/** Types into a bash of its own, where kvs keeps its arguments in a file. */
const BASH_TERMINAL = `
cat >typed <<'END'
source "$KVS"; kvs() { printf '%s,' "$@" >>seen; echo >>seen; }
kvs ser\t
kvs ge\t
kvs serve --engine=l\t
kvs serve --engine l\t
kvs get --dir fo\t
kvs get --dir=fo\t
kvs import a\t
kvs set k --file=a\t
kvs help comp\tl\t
kvs --vers\t
exit
END
script -qc "bash --norc -i" /dev/null <typed >/dev/null
cat seen
`;

Deno.test({
  name: "kvs completions bash completes what is typed at a terminal",
  ignore: Deno.build.os !== "linux" || isMissing("script"),
  fn: async () => {
    assertEquals((await run("bash", BASH_TERMINAL)).split("\n"), [
      "serve,",
      "get,",
      "serve,--engine=level,",
      "serve,--engine,level,",
      "get,--dir,folder/,",
      "get,--dir=folder/,",
      "import,a file,",
      "set,k,--file=a file,",
      "help,completions,",
      "--version,",
      "",
    ]);
  },
});

const FISH = `
source "$KVS"
for line in "kvs sc" "kvs scan --rev" "kvs serve --sync e" "kvs import a" \\
  "kvs completions z" "kvs ser" "kvs serve --engine=l" "kvs get --dir=fo" \\
  "kvs help comp" "kvs --vers" "kvs get serve --read"
  complete -C $line
end
`;

Deno.test({
  name: "kvs completions fish completes commands, options and their values",
  ignore: isMissing("fish"),
  fn: async () => {
    const lines = (await run("fish", FISH)).split("\n");
    assertEquals(lines.map((line) => line.split("\t")[0]), [
      "scan",
      "--reverse",
      "everysec",
      "a file",
      "zsh",
      "serve",
      "--engine=level",
      "--dir=folder/",
      "compact",
      "completions",
      "--version",
      "--read-only",
      "",
    ]);
    assertStringIncludes(lines[0], "in the order of the keys");
    assertStringIncludes(lines[11], "when the command began, and nothing that");
  },
});

/** Types into a shell of its own, where kvs prints its arguments. */
const ZSH = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source "$KVS"; '\\
'kvs() { print -r -- "<\${(j:,:)@}>" }; print REA''DY'
zpty -r shell seen '*READY*'
for typed in sc 'scan --rev' 'serve --sync e' 'import a' 'completions z' ser \\
  'serve --engine=l' 'get --dir=fo' 'help compa' --vers; do
  zpty -n -w shell "kvs $typed"$'\\t\\n'
  zpty -r shell seen '*<*>*'
  print -r -- \${\${seen#*<}%>*}
done
zpty -d shell
`;

Deno.test({
  name: "kvs completions zsh completes commands, options and their values",
  ignore: isMissing("zsh"),
  fn: async () => {
    assertEquals((await run("zsh", ZSH)).split("\n"), [
      "scan",
      "scan,--reverse",
      "serve,--sync,everysec",
      "import,a file",
      "completions,zsh",
      "serve",
      "serve,--engine=level",
      "get,--dir=folder",
      "help,compact",
      "--version",
      "",
    ]);
  },
});

Deno.test("kvs completions refuses a shell that it does not know", async () => {
  const { code, stderr } = await kvs(["completions", "csh"]);
  assertEquals(code, 2);
  assertStringIncludes(
    stderr,
    'Unknown shell "csh"; expected bash, zsh or fish',
  );
});
