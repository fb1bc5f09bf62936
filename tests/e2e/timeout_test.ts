import { assert, assertEquals } from "@std/assert";
import { kvs, ServerProcess } from "./_kvs.ts";
import { test } from "./_targets.ts";

/** Commands that ask a server, and what they read. */
const COMMANDS: readonly [args: string[], stdin?: string][] = [
  [["get", "k"]],
  [["set", "k", "v"]],
  [["rm", "k"]],
  [["scan"]],
  [["export"]],
  [["import"], "k\tv\n"],
  [["compact"]],
  [["stats"]],
];

Deno.test({
  name: "kvs says that a stopped server does not answer, whatever it is asked",
  // There is no SIGSTOP on Windows.
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = Deno.makeTempDirSync({ prefix: "kvs_timeout_" });
    try {
      await using server = await ServerProcess.start("--dir", `${dir}/data`);
      server.signal("SIGSTOP");
      const results = await Promise.all(COMMANDS.map(async ([args, stdin]) => {
        const target = ["--addr", server.addr, "--timeout", "0.5"];
        return [args, await kvs([...args, ...target], { stdin })] as const;
      }));
      const expected = [
        `error: Connection to ${server.addr} timed out with 1 request unanswered: no answer within 500 ms\n`,
        // On a busy machine the time may be over before there is a connection.
        `error: Cannot connect to ${server.addr}: no answer within 500 ms\n`,
      ];
      for (const [args, { code, stdout, stderr }] of results) {
        assertEquals({ code, stdout }, { code: 1, stdout: "" }, `${args}`);
        assert(expected.includes(stderr), `${args}: ${stderr}`);
      }
      server.signal("SIGCONT");
      // Nothing of it has harmed the server; without a limit, this waits.
      const { code } = await kvs(
        ["get", "k", "--addr", server.addr, "--timeout", "0"],
      );
      assertEquals(code, 0);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});

test("kvs asks the server that KVS_ADDR names, unless an option names another", async (root) => {
  await using first = await ServerProcess.start("--dir", `${root}/first`);
  await using second = await ServerProcess.start("--dir", `${root}/second`);
  const env = { KVS_ADDR: first.addr };
  const get = async (...target: string[]) => {
    const { stdout, stderr } = await kvs(["get", "k", ...target], { env });
    return stdout + stderr;
  };
  assertEquals(await kvs(["set", "k", "first"], { env }), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  assertEquals(await get(), "first\n");
  assertEquals(await get("--addr", first.addr), "first\n");
  assertEquals(await get("--addr", second.addr), "Key not found\n");
  await kvs(["set", "k", "third", "--dir", `${root}/third`], { env });
  assertEquals(await get("--dir", `${root}/third`), "third\n");
});

test("kvs says what is wrong with KVS_ADDR, where it is asked for", async (root) => {
  const env = { KVS_ADDR: "tcp://127.0.0.1:4000" };
  await kvs(["set", "k", "v", "--dir", `${root}/data`], { env });
  assertEquals(await kvs(["get", "k", "--dir", `${root}/data`], { env }), {
    code: 0,
    stdout: "v\n",
    stderr: "",
  });
  assertEquals(await kvs(["get", "k"], { env }), {
    code: 2,
    stdout: "",
    stderr:
      `error: KVS_ADDR: Invalid address "tcp://127.0.0.1:4000": expected HOST:PORT, as in 127.0.0.1:4000, without tcp://
Try 'kvs get --help'
`,
  });
});

test("kvs says where no server listens", async () => {
  // A port that was free a moment ago.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  assertEquals(await kvs(["get", "k"], { env: { KVS_ADDR: addr } }), {
    code: 1,
    stdout: "",
    stderr:
      `error: Cannot connect to ${addr}: Connection refused; is 'kvs serve' running there?\n`,
  });
});
