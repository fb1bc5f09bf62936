import { assert, assertEquals, assertRejects } from "@std/assert";
import { COMMANDS, loadCommand } from "../../cli/commands.ts";
import { SCRIPTS } from "../../cli/completion_scripts.ts";
import { specOf } from "../../cli/completion_spec.ts";
import { UsageError } from "../../cli/errors.ts";
import { OVERVIEW } from "../../cli/commands/help.ts";

const commands = await Promise.all(
  Object.keys(COMMANDS).map(async (name) => {
    const command = await loadCommand(name);
    return { name, command, spec: specOf(name, command) };
  }),
);

/** An option that no command takes: it ends every parse, last of all. */
const UNKNOWN = "--no-such-option";

/** Which option a command says it does not know; it does nothing else. */
async function refusedOption(
  name: string,
  args: readonly string[],
): Promise<string> {
  const { run } = await loadCommand(name);
  const error = await assertRejects(
    async () => await run([...args, UNKNOWN]),
    UsageError,
    "Unknown option",
  );
  return /Unknown option "([^"]+)"/.exec(error.message)?.[1] ?? "";
}

Deno.test("kvs --help lists every command with its operand", () => {
  const list = /\nCommands:\n([^]*?)\n\n/.exec(OVERVIEW)?.[1] ?? "";
  const listed = Array.from(
    list.matchAll(/^ {2}(\S+)((?: \[?[A-Z.]+\]?)*) {2,}\S/gm),
    ([, name, operands]) => [name, operands.trim()],
  );
  assertEquals(listed.map(([name]) => name), Object.keys(COMMANDS));
  for (const [i, { command: { help } }] of commands.entries()) {
    const [name, operands] = listed[i];
    if (operands === "") continue;
    assert(help.includes(`Usage: kvs ${name} ${operands}`), name);
  }
});

Deno.test("Every option in a command's help is completed with its whole text", () => {
  for (const { name, command: { help }, spec } of commands) {
    const sections = help.split("\n\n").filter((section) =>
      /^(Options|Limits):\n/.test(section)
    );
    const text = sections.join("\n").replace(/^(Options|Limits):$/gm, "")
      .replace(/\s+/g, " ").replace(" -h, --help", " --help").trim();
    const told = spec.flags.map(({ name, description }) => {
      const argument = new RegExp(`--${name} ([A-Z:]+)  `).exec(help)?.[1];
      return [`--${name}`, argument, description]
        .filter((part) => part !== undefined).join(" ");
    });
    assertEquals(text, told.join(" "), name);
    assertEquals(
      spec.flags.every(({ name, argument }) =>
        (argument !== undefined) === new RegExp(`--${name} [A-Z]`).test(help)
      ),
      true,
      name,
    );
  }
});

Deno.test("Every command takes the options of its help, and no others", async () => {
  const all = new Set(
    commands.flatMap(({ spec }) => spec.flags.map(({ name }) => name)),
  );
  for (const { name, spec } of commands) {
    const own = new Map(spec.flags.map((flag) => [flag.name, flag]));
    // main.ts sees to --help, so no command gets it.
    assert(own.delete("help"), name);
    for (const flag of all) {
      if (flag === "help") continue;
      const option = own.get(flag)?.argument === undefined
        ? `--${flag}`
        : `--${flag}=1`;
      assertEquals(
        await refusedOption(name, [option]),
        own.has(flag) ? UNKNOWN : `--${flag}`,
        `kvs ${name} ${option}`,
      );
    }
  }
});

Deno.test("The completions of every shell have every command, option and text", () => {
  const specs = commands.map(({ spec }) => spec);
  const { bash, zsh, fish } = SCRIPTS;
  const [inBash, inZsh, inFish] = [bash(specs), zsh(specs), fish(specs)];
  for (const { name, description, flags } of specs) {
    assert(inZsh.includes(`'${name}:${description.replaceAll("'", `'\\''`)}'`));
    assert(inFish.includes(` -a ${name} -d ${fishQuoted(description)}\n`));
    const words = flags.map((flag) => `--${flag.name}`).join(" ");
    assert(inBash.includes(`    ${name})\n      words="${words}"`), name);
    for (const flag of flags) {
      const text = flag.description.replace(/[[\]:]/g, "\\$&")
        .replaceAll("'", `'\\''`);
      assert(inZsh.includes(`[${text}]`), `${name} --${flag.name}`);
      assert(
        new RegExp(`__fish_kvs_command ${name}' -l ${flag.name} `)
          .test(inFish) &&
          inFish.includes(` -d ${fishQuoted(flag.description)}\n`),
        `${name} --${flag.name}`,
      );
    }
  }
});

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
