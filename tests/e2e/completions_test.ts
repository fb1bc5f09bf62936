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
    Deno.mkdirSync(`${directory}/folder`);
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

/** Whether a shell is there to be tested with. */
function isInstalled(shell: string): boolean {
  try {
    const { success } = new Deno.Command(shell, { args: ["--version"] })
      .outputSync();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
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
offers serve --log-level w
offers import a
offers set k --file a
offers export --dir ""
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
      "warn,",
      "a file,",
      "a file,",
      "folder,",
      ",",
      "bash,zsh,fish,",
      "complete -o filenames -F _kvs kvs",
      "",
    ]);
  },
});

const FISH = `
source "$KVS"
for line in "kvs sc" "kvs scan --rev" "kvs serve --sync e" "kvs import a" \\
  "kvs completions z"
  complete -C $line
end
`;

Deno.test({
  name: "kvs completions fish completes commands, options and their values",
  ignore: !isInstalled("fish"),
  fn: async () => {
    const lines = (await run("fish", FISH)).split("\n");
    assertEquals(lines.map((line) => line.split("\t")[0]), [
      "scan",
      "--reverse",
      "everysec",
      "a file",
      "zsh",
      "",
    ]);
    assertStringIncludes(lines[0], "in the order of the keys");
  },
});

/** Types into a shell of its own, where kvs prints its arguments. */
const ZSH = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source "$KVS"; '\\
'kvs() { print -r -- "<\${(j:,:)@}>" }; print REA''DY'
zpty -r shell seen '*READY*'
for typed in sc 'scan --rev' 'serve --sync e' 'import a' 'completions z'; do
  zpty -n -w shell "kvs $typed"$'\\t\\n'
  zpty -r shell seen '*<*>*'
  print -r -- \${\${seen#*<}%>*}
done
zpty -d shell
`;

Deno.test({
  name: "kvs completions zsh completes commands, options and their values",
  ignore: !isInstalled("zsh"),
  fn: async () => {
    assertEquals((await run("zsh", ZSH)).split("\n"), [
      "scan",
      "scan,--reverse",
      "serve,--sync,everysec",
      "import,a file",
      "completions,zsh",
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
