import { assert, assertEquals, assertRejects } from "@std/assert";
import { HELP_FLAG, runCommand } from "../../cli/command.ts";
import { COMMANDS } from "../../cli/commands.ts";
import { completionScript } from "../../cli/completion_scripts.ts";
import { UsageError } from "../../cli/errors.ts";
import { commandHelp, describeFlag, overview } from "../../cli/help_text.ts";

const commands = await Promise.all(
  Object.entries(COMMANDS).map(async ([name, entry]) => ({
    name,
    summary: entry.summary,
    help: await commandHelp(name, entry),
    flags: Object.entries({ ...(await entry.load()).flags, help: HELP_FLAG }),
  })),
);

/** An option that no command takes: it ends every parse, last of all. */
const UNKNOWN = "--no-such-option";

/** Which option a command says it does not know; it does nothing else. */
async function refusedOption(
  name: string,
  args: readonly string[],
): Promise<string> {
  const error = await assertRejects(
    async () => await runCommand(COMMANDS[name], [...args, UNKNOWN]),
    UsageError,
    "Unknown option",
  );
  return /Unknown option "([^"]+)"/.exec(error.message)?.[1] ?? "";
}

Deno.test("kvs --help lists every command with its operand", () => {
  const list = /\nCommands:\n([^]*?)\n\n/.exec(overview(COMMANDS))?.[1] ?? "";
  const listed = Array.from(
    list.matchAll(/^ {2}(\S+)((?: \[?[A-Z.]+\]?)*) {2,}\S/gm),
    ([, name, operands]) => [name, operands.trim()],
  );
  assertEquals(listed.map(([name]) => name), Object.keys(COMMANDS));
  for (const [i, { help }] of commands.entries()) {
    const [name, operands] = listed[i];
    if (operands === "") continue;
    assert(help.includes(`Usage: kvs ${name} ${operands}`), name);
  }
});

Deno.test("A command's help has every option with its whole text, and no others", () => {
  for (const { name, help, flags } of commands) {
    const sections = help.split("\n\n").filter((section) =>
      /^(Options|Limits):\n/.test(section)
    );
    const shown = sections.flatMap((section) =>
      section.split("\n").slice(1).join("\n").trimEnd().split(/\n(?= {2}-)/)
    ).map((option) => option.replace(/\s+/g, " ").trim());
    const expected = flags.map(([name, flag]) => {
      const argument = flag.argument === undefined ? "" : `${flag.argument} `;
      const short = name === "help" ? "-h, " : "";
      return `${short}--${name} ${argument}${describeFlag(flag)}`;
    });
    assertEquals(shown.sort(), expected.sort(), name);
    for (const line of help.split("\n")) assert(line.length <= 80, line);
  }
});

Deno.test("Every command takes the options of its help, and no others", async () => {
  const all = new Set(
    commands.flatMap(({ flags }) => flags.map(([name]) => name)),
  );
  for (const { name, flags } of commands) {
    const own = new Map(flags);
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

Deno.test("The completions of every shell have every command, option and text", async () => {
  const [inBash, inZsh, inFish] = await Promise.all(
    (["bash", "zsh", "fish"] as const).map((shell) =>
      completionScript(shell, COMMANDS)
    ),
  );
  for (const { name, summary, flags } of commands) {
    assert(inZsh.includes(`'${name}:${summary.replaceAll("'", `'\\''`)}'`));
    assert(inFish.includes(` -a ${name} -d ${fishQuoted(summary)}\n`));
    const words = flags.map(([name]) => `--${name}`).join(" ");
    assert(inBash.includes(`    ${name})\n      words="${words}"`), name);
    for (const [flagName, flag] of flags) {
      const description = describeFlag(flag);
      const text = description.replace(/[[\]:]/g, "\\$&")
        .replaceAll("'", `'\\''`);
      assert(inZsh.includes(`[${text}]`), `${name} --${flagName}`);
      assert(
        new RegExp(`__fish_kvs_command ${name}' -l ${flagName} `)
          .test(inFish) &&
          inFish.includes(` -d ${fishQuoted(description)}\n`),
        `${name} --${flagName}`,
      );
    }
  }
});

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
