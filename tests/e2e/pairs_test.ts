import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { kvs } from "./_kvs.ts";
import { test, testTargets } from "./_targets.ts";

const ok = (stdout: string) => ({ code: 0, stdout, stderr: "" });

testTargets(
  "kvs import, scan and export go together",
  async (run, { root }) => {
    const pairs = Array.from({ length: 12_000 }, (_, i) => ({
      key: `user/${100_000 + i}`,
      value: i % 100 === 0 ? `line\n"${i}"\t🦕` : `value ${i}`,
    }));
    const lines = pairs.map((pair) => `${JSON.stringify(pair)}\n`).join("");
    const shuffled = pairs.map((_, i) => pairs[i * 7_919 % pairs.length])
      .map((pair) => `${JSON.stringify(pair)}\n`).join("");
    assertEquals(
      await run(["import"], { stdin: shuffled }),
      ok("Imported 12000 pairs\n"),
    );
    assertEquals(await run(["export"]), ok(lines));
    assertEquals(
      await run(["scan", "--prefix", "user/10000", "--limit", "3"]),
      ok(
        'user/100000\tline\n"0"\t🦕\nuser/100001\tvalue 1\nuser/100002\tvalue 2\n',
      ),
    );
    assertEquals(
      await run(["scan", "--prefix", "user/10000", "--limit", "1", "--json"]),
      ok(`${JSON.stringify(pairs[0])}\n`),
    );
    assertEquals(
      await run(["scan", "--keys", "--reverse", "--limit", "2"]),
      ok("user/111999\nuser/111998\n"),
    );
    const range = ["--start", "user/104000", "--end", "user/104002"];
    assertEquals(
      await run(["scan", "--keys", "--json", ...range]),
      ok('{"key":"user/104000"}\n{"key":"user/104001"}\n'),
    );
    assertEquals(await run(["scan", "--prefix", "nobody"]), ok(""));
    const file = `${root}/pairs.txt`;
    Deno.writeTextFileSync(
      file,
      "user/100000\tchanged\nnew\tvalue\twith tab\n",
    );
    assertEquals(
      await run(["import", file, "--json"]),
      ok('{"pairs":2}\n'),
    );
    assertEquals(
      await run(["get", "user/100000", "nobody", "new"]),
      ok("changed\nKey not found\nvalue\twith tab\n"),
    );
    assertEquals(
      await run(["get", "--json", "nobody", "new"]),
      ok(
        '{"key":"nobody","value":null}\n{"key":"new","value":"value\\twith tab"}\n',
      ),
    );
  },
);

testTargets(
  "kvs import names a bad line, and keeps what is before it",
  async (run) => {
    const stdin = "a\t1\nb\t2\nc 3\nd\t4\n";
    const result = await run(["import"], { stdin });
    assertEquals(result, {
      code: 1,
      stdout: "",
      stderr:
        "error: Line 3: expected a key, a tab and a value, found no tab; 2 pairs before it are imported\n",
    });
    assertEquals(await run(["scan"]), ok("a\t1\nb\t2\n"));
  },
);

testTargets(
  "kvs set --file sets a key to what is in a file",
  async (run, { root }) => {
    const file = `${root}/value`;
    Deno.writeTextFileSync(file, "\ufeffline\n\n");
    assertEquals(await run(["set", "k", "--file", file]), ok(""));
    assertEquals(
      await run(["get", "k", "--json"]),
      ok('{"key":"k","value":"\ufeffline\\n\\n"}\n'),
    );
  },
);

test("kvs scan and export into a closed pipe are quiet", async (root) => {
  const dir = `${root}/data`;
  const stdin = Array.from(
    { length: 200 },
    (_, i) => `k${i}\t${"x".repeat(10_000)}\n`,
  );
  await kvs(["import", "--dir", dir], { stdin: stdin.join("") });
  for (const command of ["scan", "export"]) {
    const result = await kvs([command, "--dir", dir], { closeStdout: true });
    assertEquals(result, ok(""));
  }
});

test("kvs scan, import and set refuse wrong usage", async (root) => {
  const file = `${root}/missing`;
  const cases: [args: string[], code: number, message: string][] = [
    [
      ["scan", "--limit", "0"],
      2,
      '--limit must be a whole number from 1, found "0"',
    ],
    [["scan", "--limit", "x"], 2, "--limit must be a whole number"],
    [["scan", "k"], 2, 'Unexpected operand "k"'],
    [
      ["import", "--format", "csv"],
      2,
      'Unknown format "csv"; expected json or tab',
    ],
    [["import", "a", "b"], 2, 'Unexpected operand "b"'],
    [["import", file], 1, `Cannot read "${file}": it does not exist`],
    [["set", "k"], 2, "VALUE is missing"],
    [
      ["set", "k", "v", "--file", file],
      2,
      "VALUE and --file exclude each other",
    ],
    [["set", "k", "--file", file], 1, file],
    [["get"], 2, "KEY is missing"],
  ];
  await Promise.all(cases.map(async ([args, code, message]) => {
    const result = await kvs([...args, "--dir", `${root}/data`]);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertStringIncludes(result.stderr, message);
    assert(!/^ +at /m.test(result.stderr), "Stack trace");
  }));
  assertEquals([...Deno.readDirSync(root)], []);
});
