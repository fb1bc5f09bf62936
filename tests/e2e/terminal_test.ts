import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { kvs } from "./_kvs.ts";
import {
  CTRL_C,
  CTRL_D,
  kvsOnTerminal,
  screenOf,
  testOnTerminal,
} from "./_terminal.ts";
import {
  assertLines,
  commandNames,
  TRIALS,
  withStore,
  withTrial,
} from "./_trials.ts";

Deno.test("screenOf() shows what a terminal shows", () => {
  assertEquals(screenOf("ab\r\ncd\r\n", 80), ["ab", "cd", ""]);
  assertEquals(screenOf("abc\rd", 80), ["dbc"]);
  assertEquals(screenOf("abc\r\x1b[Kd", 80), ["d"]);
  assertEquals(screenOf("abc\r\x1b[K", 80), [""]);
  assertEquals(screenOf("abc", 3), ["abc"]);
  // What is more than a line is not erased with it.
  assertEquals(screenOf("abcd\r\x1b[K", 3), ["abc", ""]);
  assertThrows(() => screenOf("\x1b[2J", 80), Error, "control sequence");
});

Deno.test("Each command of kvs has a trial", async () => {
  const names = await commandNames();
  assert(names.length > 8);
  assertEquals(Object.keys(TRIALS).sort(), names.sort());
});

for (const [name, trial] of Object.entries(TRIALS)) {
  testOnTerminal(
    `kvs ${name} leaves nothing but its output on a terminal`,
    () =>
      withTrial(name, async (args) => {
        const { type, code = 0 } = trial;
        const result = await kvsOnTerminal(args, { type, columns: 200 });
        assertEquals(result.code, code, result.sent);
        // What Ctrl-C echoes is the terminal's.
        assertLines(
          result.screen.map((line) => line.replace(/^\^C/, "")),
          trial,
        );
      }),
  );
}

// Of the narrower one a bar alone takes more.
for (const columns of [80, 20]) {
  testOnTerminal(
    `Commands that show how far they are leave no trace of it on ${columns} columns`,
    () =>
      withStore(async (dir, pairs) => {
        const run = async (args: string[], first: string, redirect = "") => {
          const store = [...args, "--dir", dir];
          const result = await kvsOnTerminal(store, { redirect, columns });
          assertEquals(result.code, 0, result.sent);
          const [, ...drawn] = result.sent.split("\r\x1b[K");
          assert(drawn[0].startsWith(first), result.sent);
          for (const line of drawn) {
            assert(line.split("\r")[0].length < columns, line);
          }
          return result.screen;
        };
        const screen = await run(["import", pairs], "0 pairs, ");
        assertEquals(screen, ["Imported 1 pair", ""]);
        const out = `> ${pairs}`;
        assertEquals(await run(["export"], "0 pairs, ", out), [""]);
        assertEquals(
          Deno.readTextFileSync(pairs),
          '{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n',
        );
        assertEquals(await run(["compact"], "[---", "> /dev/null"), [""]);
        assertEquals(await run(["check"], "[---", "> /dev/null"), [""]);
      }),
  );
}

testOnTerminal(
  "kvs import that Ctrl-C ends leaves a clean line, and 130",
  () =>
    withStore(async (dir) => {
      const fifo = `${dir}/../fifo`;
      assert(new Deno.Command("mkfifo", { args: [fifo] }).outputSync().success);
      const { code, sent, screen } = await kvsOnTerminal(
        ["import", "--dir", dir],
        {
          type: { keys: CTRL_C, after: "pairs, " },
          // Open for writing as well, it has no end.
          redirect: `<> ${fifo}`,
        },
      );
      assertEquals(code, 130, sent);
      assertEquals(screen, [""], sent);
      assertEquals((await kvs(["get", "a", "--dir", dir])).stdout, "1\n");
    }),
);

testOnTerminal(
  "kvs export that Ctrl-C ends leaves a clean line, and 130",
  () =>
    withStore(async (dir) => {
      using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const accepting = silent.accept();
      const addr = `127.0.0.1:${silent.addr.port}`;
      const { code, sent, screen } = await kvsOnTerminal(
        ["export", "--addr", addr],
        {
          type: { keys: CTRL_C, after: "pairs, " },
          redirect: `> ${dir}/../out`,
        },
      );
      (await accepting).close();
      assertEquals(code, 130, sent);
      assertEquals(screen, [""], sent);
    }),
);

testOnTerminal(
  "kvs import draws nothing over what is being typed",
  () =>
    withStore(async (dir) => {
      const { code, sent } = await kvsOnTerminal(["import", "--dir", dir], {
        type: { keys: `c\t3\n${CTRL_D}` },
      });
      assertEquals(code, 0, sent);
      assertMatch(sent, /Imported 1 pair/);
      assert(!sent.includes("\x1b"), sent);
    }),
);
