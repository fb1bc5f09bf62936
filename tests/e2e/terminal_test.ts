import { assert, assertEquals, assertMatch } from "@std/assert";
import { TempDirectory } from "../engine/kvs/_helpers.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { CTRL_C, kvsOnTerminal, testOnTerminal } from "./_terminal.ts";

/** How a command is tried, with a store of two keys, `a` and `b`. */
interface Trial {
  /** The arguments after the command, without what names the store. */
  readonly args?: readonly string[];
  /** What the screen shows in the end, but for the last, empty line. */
  readonly screen: readonly (string | RegExp)[];
  /** Whether it needs a server. */
  readonly server?: boolean;
  /** What is typed once the screen shows `after`. */
  readonly type?: { readonly keys: string; readonly after: string };
  readonly code?: number;
}

/** A row for each command of `kvs --help`: see the first test. */
const TRIALS: Readonly<Record<string, Trial>> = {
  serve: {
    args: ["--addr", "127.0.0.1:0"],
    type: { keys: CTRL_C, after: "Listening on" },
    screen: [
      /kvs \d/,
      /Engine/,
      /Data dir/,
      /Listening/,
      /stopping/,
      /Stopped/,
    ],
  },
  get: { args: ["a", "nobody"], screen: ["1", "Key not found"] },
  set: { args: ["c", "3"], screen: [] },
  rm: { args: ["nobody"], screen: ["Key not found"], code: 1 },
  scan: { screen: ["a\t1", "b\t2"] },
  export: { screen: ['{"key":"a","value":"1"}', '{"key":"b","value":"2"}'] },
  import: { args: ["PAIRS"], screen: ["Imported 1 pair"] },
  compact: { screen: [/^Reclaimed 0 bytes/] },
  stats: { server: true, screen: [] },
  check: { screen: [/^2 sound records in 1 segment, .*; 0 damaged places$/] },
  help: { args: ["get"], screen: [] },
  completions: { args: ["bash"], screen: [] },
};

/** Commands that are for no store. */
const WITHOUT_STORE = ["completions", "help"];

async function commands(): Promise<string[]> {
  const { stdout } = await kvs(["--help"]);
  const list = stdout.slice(stdout.indexOf("Commands:"));
  return Array.from(
    list.slice(0, list.indexOf("\n\n")).matchAll(/^ {2}(\w+)/gm),
    ([, name]) => name,
  );
}

Deno.test("Each command of kvs is tried on a terminal", async () => {
  const names = await commands();
  assert(names.length > 8);
  assertEquals(names.filter((name) => TRIALS[name] === undefined), []);
});

async function withStore(
  use: (dir: string, pairs: string) => Promise<void>,
): Promise<void> {
  using root = new TempDirectory();
  const dir = `${root.path}/data`;
  const stdin = "a\t1\nb\t2\n";
  assertEquals((await kvs(["import", "-", "--dir", dir], { stdin })).code, 0);
  const pairs = `${root.path}/pairs.txt`;
  Deno.writeTextFileSync(pairs, "a\t1\n");
  await use(dir, pairs);
}

for (const [name, trial] of Object.entries(TRIALS)) {
  const { args = [], screen, server = false, type, code = 0 } = trial;
  testOnTerminal(
    `kvs ${name} leaves nothing but its output on a terminal`,
    () =>
      withStore(async (dir, pairs) => {
        if (name === "help" && !(await commands()).includes(name)) return;
        await using running = server
          ? await ServerProcess.start("--dir", dir)
          : undefined;
        const store = WITHOUT_STORE.includes(name)
          ? []
          : running === undefined
          ? ["--dir", dir]
          : ["--addr", running.addr];
        const given = args.map((arg) => arg === "PAIRS" ? pairs : arg);
        const result = await kvsOnTerminal([name, ...given, ...store], {
          type,
        });
        assertEquals(result.code, code, result.sent);
        // What Ctrl-C echoes is the terminal's.
        const lines = result.screen.map((line) => line.replace(/^\^C/, ""));
        assertEquals(lines.pop(), "", result.sent);
        if (screen.length === 0) return;
        assertEquals(lines.length, screen.length, result.sent);
        screen.forEach((expected, i) => {
          if (typeof expected !== "string") assertMatch(lines[i], expected);
          // A terminal moves on to the next stop of eight columns.
          else assertEquals(lines[i], expected);
        });
      }),
  );
}

testOnTerminal(
  "kvs import and export show how far they are, and leave no trace of it",
  () =>
    withStore(async (dir, pairs) => {
      const imported = await kvsOnTerminal(["import", pairs, "--dir", dir]);
      assertMatch(imported.sent, /pairs?, \d+\/s/);
      assertEquals(imported.screen, ["Imported 1 pair", ""]);
      const exported = await kvsOnTerminal(["export", "--dir", dir], {
        redirect: `> ${pairs}`,
      });
      assertMatch(exported.sent, /pairs?, \d+\/s/);
      assertEquals(exported.screen, [""]);
      assertEquals(
        Deno.readTextFileSync(pairs),
        '{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n',
      );
    }),
);

testOnTerminal(
  "kvs import that Ctrl-C ends leaves a clean line, and 130",
  () =>
    withStore(async (dir) => {
      const { code, sent, screen } = await kvsOnTerminal(
        ["import", "--dir", dir],
        { type: { keys: CTRL_C, after: "pairs, " } },
      );
      assertEquals(code, 130, sent);
      assertEquals(screen, [""], sent);
      assertEquals((await kvs(["get", "a", "--dir", dir])).stdout, "1\n");
    }),
);
