import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import project from "../../deno.json" with { type: "json" };
import { BINARY, kvs, type Result, ServerProcess } from "./_kvs.ts";
import { test, testTargets } from "./_targets.ts";

function assertResult(result: Result, expected: Partial<Result>): void {
  assertEquals(result, { code: 0, stdout: "", stderr: "", ...expected });
}

/** A failure is told in one line, wrong usage with a hint in a second one. */
function assertFailure(result: Result, code: 1 | 2, message: string): void {
  assertEquals(result.stdout, "");
  assertStringIncludes(result.stderr, message);
  assertEquals(result.code, code, result.stderr);
  assertEquals(result.stderr.trimEnd().split("\n").length, code);
  assertEquals(/^ +at /m.test(result.stderr), false, "Stack trace");
}

testTargets("kvs set, get and rm keep the contract", async (run) => {
  assertResult(await run(["get", "k"]), { stdout: "Key not found\n" });
  assertResult(await run(["rm", "k"]), { code: 1, stderr: "Key not found\n" });
  assertResult(await run(["set", "k", "first"]), {});
  assertResult(await run(["set", "k", "second"]), {});
  assertResult(await run(["get", "k"]), { stdout: "second\n" });
  assertResult(await run(["rm", "k"]), {});
  assertResult(await run(["get", "k"]), { stdout: "Key not found\n" });
});

testTargets("kvs get --json is unambiguous", async (run) => {
  await run(["set", "true", "Key not found"]);
  assertResult(await run(["get", "--json", "true"]), {
    stdout: '{"key":"true","value":"Key not found"}\n',
  });
  assertResult(await run(["get", "false", "--json"]), {
    stdout: '{"key":"false","value":null}\n',
  });
}, ["kvs"]);

testTargets("kvs takes operands as they are", async (_run, { target }) => {
  const value = "ünï\ncode 🦕";
  const operands: [string, string][] = [
    ["-k", "--v"],
    ["", ""],
    ["1e3", "--"],
  ];
  for (const [key, value] of operands) {
    assertResult(await kvs(["set", ...target, "--", key, value]), {});
    assertResult(await kvs(["get", ...target, "--", key]), {
      stdout: `${value}\n`,
    });
  }
  assertResult(await kvs(["set", "k", "-", ...target], { stdin: value }), {});
  assertResult(await kvs(["get", "k", ...target]), { stdout: `${value}\n` });
}, ["kvs"]);

testTargets("kvs compact says what it reclaimed", async (run) => {
  for (let i = 0; i < 3; i++) {
    await run(["set", "k", "-"], { stdin: `${i}`.repeat(200_000) });
  }
  const text = await run(["compact"]);
  assertEquals([text.code, text.stderr], [0, ""]);
  assert(
    /^Reclaimed [\d.]+ \w+: [\d.]+ \w+ before, [\d.]+ \w+ now\n$/
      .test(text.stdout),
    text.stdout,
  );
  const json = await run(["compact", "--json"]);
  assertEquals(Object.keys(JSON.parse(json.stdout)), [
    "bytesBefore",
    "bytesAfter",
  ]);
  assertResult(await run(["get", "k"]), { stdout: `${"2".repeat(200_000)}\n` });
});

testTargets(
  "kvs stats shows what there is to know",
  async (run, { target }) => {
    // LevelDB packs what repeats itself.
    const value = Array.from({ length: 50 }, () => crypto.randomUUID()).join(
      "",
    );
    await run(["set", "k", value]);
    const json = await run(["stats", "--json"]);
    assertEquals([json.code, json.stderr], [0, ""]);
    const found = JSON.parse(json.stdout);
    const text = await run(["stats"]);
    assertEquals([text.code, text.stderr], [0, ""]);
    const rows = new Map(
      text.stdout.trimEnd().split("\n").map((line) => {
        const [name, value] = line.split(/ {2,}/);
        return [name, value];
      }),
    );
    const isKvs = found.store.engine === "kvs";
    assertEquals([found.store.keys, rows.get("keys")], [
      isKvs ? 1 : undefined,
      isKvs ? "1" : undefined,
    ]);
    assert(found.store.diskBytes > 1_000);
    assert(/^[\d.]+ KiB/.test(rows.get("disk")!), text.stdout);
    if (target[0] === "--dir") {
      assertEquals(Object.keys(found), ["store"]);
      assertEquals(rows.get("store"), found.store.engine);
      return;
    }
    const { version, pool, operations } = found;
    assertEquals([version, pool], [project.version, "reuse-port"]);
    assertEquals([operations.set, operations.stats], [1, 1]);
    assert(rows.get("server")!.startsWith(`kvs ${project.version}, up `));
    assertEquals(rows.get("store"), `${found.store.engine}, sync always`);
    assertEquals(rows.get("connections"), "1 open, 3 accepted, 0 refused");
    assertEquals(rows.get("errors"), "0, of them 0 invalid; 0 denied");
    assertEquals(
      rows.get("operations"),
      "set 1, get 0, remove 0, scan 0, snapshot 0, compact 0, stats 2, auth 0",
    );
    assert(/^p50 [\d.]+ µs, .* max 0 µs$/.test(rows.get("get latency")!));
    assert(/^p50 [\d.]+ (µs|ms), /.test(rows.get("set latency")!));
  },
);

test("kvs prints its version and its help", async () => {
  for (const flag of ["-V", "--version"]) {
    assertResult(await kvs([flag]), { stdout: `kvs ${project.version}\n` });
  }
  const help = await kvs(["--help"]);
  assertResult(await kvs(["-h"]), { stdout: help.stdout });
  for (const command of ["serve", "get", "set", "rm", "compact", "stats"]) {
    assertStringIncludes(help.stdout, command);
    const { code, stdout } = await kvs([command, "--help"]);
    assertEquals(code, 0);
    assertStringIncludes(stdout, `Usage: kvs ${command}`);
    assertStringIncludes(stdout, "Examples:");
    assertStringIncludes(stdout, "--addr HOST:PORT");
  }
});

test("kvs refuses wrong usage in two lines", async (root) => {
  const cases: [args: string[], message: string][] = [
    [[], "A command is missing"],
    [["constructor"], 'Unknown command "constructor"'],
    [["--frobnicate"], 'Unknown option "--frobnicate"'],
    [["get"], "KEY is missing"],
    [["get", "a", "--frobnicate"], 'Unknown option "--frobnicate"'],
    [["get", "a", "--addr", "localhost"], 'Invalid address "localhost"'],
    [["get", "a", "--addr", "a:1", "--dir", "b"], "exclude each other"],
    [["set", "a"], "VALUE is missing"],
    [["compact", "a"], 'Unexpected operand "a"'],
    [["serve", "--addr", "127.0.0.1:65536"], "port must be a number"],
    [["serve", "--engine", "sled"], 'Unknown engine "sled"'],
    [["serve", "--pool", "rayon"], 'Unknown pool "rayon"'],
    [["serve", "--threads", "0"], "--threads must be from 1 to 128"],
    [["serve", "--sync", "maybe"], 'Unknown sync mode "maybe"'],
  ];
  await Promise.all(cases.map(async ([args, message]) => {
    const dir = args[0] === "serve" ? ["--dir", `${root}/data`] : [];
    const result = await kvs([...args, ...dir]);
    assertFailure(result, 2, message);
    assertStringIncludes(result.stderr, "--help'");
  }));
  // A mistake has left nothing behind.
  assertEquals([...Deno.readDirSync(root)], []);
});

test("kvs fails in one line without a store", async (root) => {
  const dir = `${root}/data`;
  for (const args of [["get", "k"], ["rm", "k"], ["compact"], ["stats"]]) {
    assertFailure(
      await kvs([...args, "--dir", dir]),
      1,
      `Cannot open data directory "${dir}": it does not exist`,
    );
  }
  // A port that was free a moment ago.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  for (const args of [["get", "k"], ["set", "k", "v"], ["rm", "k"]]) {
    assertFailure(
      await kvs([...args, "--addr", addr]),
      1,
      `Cannot connect to ${addr}`,
    );
  }
});

test("kvs set makes a data directory that serve then finds", async (root) => {
  const dir = `${root}/new/data`;
  assertResult(await kvs(["set", "k", "v", "--dir", dir]), {});
  await using server = await ServerProcess.start("--dir", dir);
  assertResult(await kvs(["get", "k", "--addr", server.addr]), {
    stdout: "v\n",
  });
});

test("kvs get into a closed pipe is quiet", async (root) => {
  const dir = `${root}/data`;
  const stdin = "x".repeat(4_000_000);
  await kvs(["set", "k", "-", "--dir", dir], { stdin });
  const result = await kvs(["get", "k", "--dir", dir], { closeStdout: true });
  assertResult(result, {});
});

Deno.test({
  name: "kvs names the permission it lacks",
  ignore: BINARY !== undefined,
  fn: async () => {
    const permissions = ["--allow-read", "--allow-env"];
    const dir = Deno.makeTempDirSync({ prefix: "kvs_cli_" });
    try {
      assertFailure(
        await kvs(["set", "k", "v", "--dir", `${dir}/data`], { permissions }),
        1,
        "--allow-write",
      );
      assertFailure(
        await kvs(["get", "k", "--addr", "127.0.0.1:4000"], { permissions }),
        1,
        "--allow-net",
      );
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});

test("kvs set and import --dir refuse what a server refuses", async (root) => {
  const limits = { key: 65_535, value: 32 * 1024 * 1024 };
  const largest = `${root}/largest`;
  Deno.writeTextFileSync(largest, "v".repeat(limits.value));
  const tooLarge = `${root}/too_large`;
  Deno.writeTextFileSync(tooLarge, "v".repeat(limits.value + 1));
  const longKey = "é".repeat(limits.key / 2 + 1);
  const longKeyMessage =
    "error: Key of 65536 bytes exceeds the limit of 65535 bytes (--max-key-size)\n";
  const refused: [args: string[], stdin: string, stderr: string][] = [
    [["set", longKey, "v"], "", longKeyMessage],
    [
      ["set", "k", "--file", tooLarge],
      "",
      "error: Value of 33554433 bytes exceeds the limit of 33554432 bytes (--max-value-size)\n",
    ],
    [["import"], `${longKey}\tv\n`, longKeyMessage],
  ];
  await using server = await ServerProcess.start("--dir", `${root}/served`);
  for (const [args, stdin, stderr] of refused) {
    for (const target of [["--addr", server.addr], ["--dir", `${root}/new`]]) {
      const result = await kvs([...args, ...target], { stdin });
      assertEquals(result, { code: 1, stdout: "", stderr });
    }
    // Not so much as a directory was made before.
    if (args[0] === "set") {
      assertEquals(
        Array.from(Deno.readDirSync(root), ({ name }) => name).sort(),
        [
          "largest",
          "served",
          "too_large",
        ],
      );
    }
  }
  const dir = ["--dir", `${root}/new`];
  assertResult(await kvs(["scan", ...dir]), {});
  const key = "k".repeat(limits.key);
  assertResult(await kvs(["set", key, "v", ...dir]), {});
  assertResult(await kvs(["set", "k", "--file", largest, ...dir]), {});
  assertResult(await kvs(["get", key, ...dir]), { stdout: "v\n" });
});
