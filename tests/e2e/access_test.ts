import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificate } from "../_certificate.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { get, oneShot } from "./_tcp.ts";
import { test as testInRoot } from "./_targets.ts";

const TOKEN = "open sesame 🦕";

/** Runs a test with a directory for its files, among them the token's. */
function test(
  name: string,
  body: (root: string, tokenFile: string) => Promise<void>,
): void {
  testInRoot(name, (root) => {
    const tokenFile = `${root}/token`;
    Deno.writeTextFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
    return body(root, tokenFile);
  });
}

test(
  "kvs takes a token from --auth-file or KVS_TOKEN",
  async (root, tokenFile) => {
    await using server = await ServerProcess.start(
      "--dir",
      `${root}/data`,
      "--auth-file",
      tokenFile,
    );
    const { addr } = server;
    const outputs: string[] = [];
    const run = async (
      args: string[],
      env?: Record<string, string>,
      expectedCode = 0,
    ) => {
      const result = await kvs([...args, "--addr", addr], { env });
      assertEquals(result.code, expectedCode, result.stderr);
      outputs.push(result.stdout, result.stderr);
      return result;
    };
    const authFile = ["--auth-file", tokenFile];
    await run(["set", "k", "v", ...authFile]);
    // A flag counts more than the environment.
    const { stdout } = await run(["get", "k", ...authFile], { KVS_TOKEN: "x" });
    assertEquals(stdout, "v\n");
    const variable = { KVS_TOKEN: TOKEN };
    await run(["compact"], variable);
    await run(["rm", "k"], variable);
    const strange = await run(["get", "k"], {}, 1);
    assertStringIncludes(strange.stderr, "error: Authentication required");
    for (
      const command of [
        ["get", "k"],
        ["set", "k", "v"],
        ["rm", "k"],
        ["scan"],
        ["export"],
        ["stats"],
        ["compact"],
      ]
    ) {
      const { stderr } = await run(command, {}, 1);
      assertStringIncludes(
        stderr,
        "Authentication required: show the server's token with --auth-file FILE or KVS_TOKEN\n",
      );
    }
    const wrong = await run(["get", "k"], { KVS_TOKEN: `${TOKEN} ` }, 1);
    assertStringIncludes(
      wrong.stderr,
      `error: Cannot connect to ${addr}: Authentication failed: wrong token\n`,
    );
    const empty = await run(["get", "k"], { KVS_TOKEN: "" }, 1);
    assertEquals(
      empty.stderr,
      "error: KVS_TOKEN holds no token: A token must not be empty\n",
    );
    assertStringIncludes(
      await oneShot(addr, get("k")),
      "Authentication required",
    );
    assertStringIncludes(
      await oneShot(addr, '{"Auth":{"token":"open sesame 🦖"}}'),
      "Authentication failed",
    );
    outputs.push(server.log);
    for (const output of outputs) {
      assertEquals(
        output.includes("sesame"),
        false,
      );
    }
  },
);

test("kvs serve stays out of others' reach without a token", async (root) => {
  const dir = `${root}/data`;
  const refused = await kvs(["serve", "--addr", "0.0.0.0:0", "--dir", dir]);
  assertEquals(refused.code, 1);
  assert(
    /^error: Cannot listen on 0\.0\.0\.0:0 without a token, .*--auth-file FILE or KVS_TOKEN.*127\.0\.0\.1\n$/
      .test(refused.stderr),
    refused.stderr,
  );
  assertEquals([...Deno.readDirSync(root)].map(({ name }) => name), ["token"]);
  await using server = await ServerProcess.startWith(
    { env: { KVS_TOKEN: TOKEN } },
    "--addr",
    "0.0.0.0:0",
    "--dir",
    dir,
  );
  await server.logged("WARN  Without TLS");
  const addr = server.addr.replace("0.0.0.0", "127.0.0.1");
  const { stdout } = await kvs(["get", "k", "--addr", addr], {
    env: { KVS_TOKEN: TOKEN },
  });
  assertEquals(stdout, "Key not found\n");
});

test(
  "kvs says of a token file what is wrong with it, and nothing of what it holds",
  async (root, tokenFile) => {
    const missing = await kvs(["get", "k", "--auth-file", `${root}/none`]);
    assertEquals(
      missing.stderr,
      `error: Cannot read --auth-file "${root}/none": it does not exist\n`,
    );
    Deno.writeTextFileSync(tokenFile, "open\nsesame\n");
    const lines = await kvs(["get", "k", "--auth-file", tokenFile]);
    assertEquals(
      lines.stderr,
      `error: File "${tokenFile}" holds no token: A token must be one line of Unicode text\n`,
    );
    Deno.writeTextFileSync(tokenFile, "open sesame");
    Deno.chmodSync(tokenFile, 0o644);
    await using server = await ServerProcess.start(
      "--dir",
      `${root}/data`,
      "--auth-file",
      tokenFile,
    );
    assertStringIncludes(
      server.log,
      `WARN  Every user of this machine can read the token in "${tokenFile}"\n`,
    );
  },
);

test(
  "kvs takes no token that is not UTF-8, and repeats nothing of it",
  async (root, tokenFile) => {
    const bytes = (rest: number[]) =>
      Uint8Array.from([...new TextEncoder().encode("open sesame"), ...rest]);
    const notText = "holds no token: A token must be UTF-8 text\n";
    for (
      const rest of [[0x80], [0xff, 0x0a], [0xe2, 0x82], [0xed, 0xa0, 0x80]]
    ) {
      Deno.writeFileSync(tokenFile, bytes(rest));
      for (
        const command of [["get", "k"], ["serve", "--dir", `${root}/data`]]
      ) {
        const { code, stderr } = await kvs([
          ...command,
          "--auth-file",
          tokenFile,
        ]);
        assertEquals(stderr, `error: File "${tokenFile}" ${notText}`);
        assertEquals(code, 1);
        // As a shell exports it, which need not be text.
        const variable = await kvs(command, { tokenBytes: bytes(rest) });
        assertEquals(variable.stderr, `error: KVS_TOKEN ${notText}`);
        assertEquals(variable.code, 1);
      }
    }
    // What a launcher that reads the environment as text makes of such bytes.
    const { stderr } = await kvs(["get", "k"], {
      env: { KVS_TOKEN: "open sesame\ufffd" },
    });
    assertEquals(
      stderr,
      "error: KVS_TOKEN holds no token: A token must not hold U+FFFD, a replaced character\n",
    );
  },
);

test("kvs speaks TLS", async (root, tokenFile) => {
  await makeCertificate(root);
  const cert = `${root}/cert.pem`;
  const key = `${root}/key.pem`;
  const half = await kvs([
    "serve",
    "--tls-cert",
    cert,
    "--dir",
    `${root}/data`,
  ]);
  assertEquals(half.code, 2);
  assertStringIncludes(half.stderr, "--tls-cert and --tls-key need each other");
  await using server = await ServerProcess.startWith(
    {},
    "--addr",
    "0.0.0.0:0",
    "--dir",
    `${root}/data`,
    "--auth-file",
    tokenFile,
    "--tls-cert",
    cert,
    "--tls-key",
    key,
  );
  assertEquals(server.log.includes("WARN"), false, server.log);
  const addr = server.addr.replace("0.0.0.0", "localhost");
  const args = ["--addr", addr, "--auth-file", tokenFile];
  const trusting = [...args, "--ca", cert];
  assertEquals((await kvs(["set", "k", "v", ...trusting])).code, 0);
  assertEquals((await kvs(["get", "k", ...trusting])).stdout, "v\n");
  const doubting = await kvs(["get", "k", ...args, "--tls"]);
  assertEquals(doubting.code, 1);
  assertStringIncludes(doubting.stderr, "invalid peer certificate");
  const plain = await kvs(["get", "k", ...args]);
  assertEquals(plain.code, 1);
  assertEquals(
    plain.stderr,
    `error: Cannot connect to ${addr}: the server speaks TLS, this client does not\n`,
  );
  for (const file of [key, tokenFile]) {
    const { code, stderr } = await kvs(["get", "k", ...args, "--ca", file]);
    assertEquals(
      stderr,
      `error: Cannot use --ca "${file}": no certificate in it\n`,
    );
    assertEquals(code, 1);
  }
  // None of it is worth a line.
  assertEquals(server.log.includes("WARN"), false, server.log);
  assertEquals(server.log.includes("ERROR"), false, server.log);
});

test("kvs serve makes directory and files for their owner alone", async (root) => {
  const dir = `${root}/data`;
  const modes = () =>
    Object.fromEntries(
      Array.from(Deno.readDirSync(dir), ({ name }) => [
        name.replace(/^\d+/, "N"),
        (Deno.statSync(`${dir}/${name}`).mode! & 0o777).toString(8),
      ]),
    );
  {
    await using server = await ServerProcess.start(
      "--dir",
      dir,
      "--segment-size",
      "4K",
    );
    for (let i = 0; i < 20; i++) {
      const value = "x".repeat(1_000);
      await oneShot(server.addr, { Set: { key: `k${i % 9}`, value } });
    }
    await oneShot(server.addr, { Compact: {} });
    assertEquals((Deno.statSync(dir).mode! & 0o777).toString(8), "700");
    server.signal("SIGTERM");
    await server.end();
  }
  assertEquals(modes(), {
    ENGINE: "600",
    LOCK: "600",
    "N.hint": "600",
    "N.log": "600",
  });
  const [damaged] = [...Deno.readDirSync(dir)].filter(({ name }) =>
    name.endsWith(".log")
  );
  {
    using file = Deno.openSync(`${dir}/${damaged.name}`, { write: true });
    file.seekSync(100, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(8).fill(7));
  }
  await kvs(["check", "--repair", "--dir", dir]);
  assertEquals(modes().damaged, "700");
  for (const [name, mode] of Object.entries(modes())) {
    if (name !== "damaged") assertEquals(mode, "600", name);
  }
});
