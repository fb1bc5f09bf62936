import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../version.ts";
import { parseExposition } from "../monitor/_exposition_parser.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { get, oneShot, set } from "./_tcp.ts";
import { test } from "./_targets.ts";

test("kvs serve --metrics serves a page for Prometheus", async (root) => {
  await using server = await ServerProcess.start(
    ...["--dir", `${root}/data`, "--metrics", "127.0.0.1:0"],
  );
  await server.logged("Metrics on");
  const url = /Metrics on (http:\/\/\S+)/.exec(server.log)?.[1];
  await oneShot(server.addr, set("k", "v"));
  await oneShot(server.addr, get("k"));
  const response = await fetch(url!);
  const metrics = parseExposition(await response.text());
  const { samples } = metrics.get("kvs_requests_total")!;
  assertEquals(samples.get('kvs_requests_total{kind="get"}'), 1);
  server.signal("SIGTERM");
  assertEquals((await server.end()).code, 0);
});

test("kvs serve refuses what is no address for metrics", async (root) => {
  const result = await kvs([
    ...["serve", "--dir", `${root}/data`, "--metrics", "9464"],
  ]);
  assertEquals([result.code, result.stdout], [2, ""]);
  assertStringIncludes(result.stderr, 'error: Invalid address "9464"');
  await using server = await ServerProcess.start("--dir", `${root}/data`);
  const taken = await kvs([
    ...["serve", "--dir", `${root}/other`, "--addr", "127.0.0.1:0"],
    ...["--metrics", server.addr],
  ]);
  assertEquals(taken.code, 1);
  assertStringIncludes(
    taken.stderr,
    `error: Cannot listen on ${server.addr}: address already in use\n`,
  );
  assert(!/^ +at /m.test(taken.stderr), "Stack trace");
});

/** The lines that a server has logged as JSON. */
function logged(server: ServerProcess): Record<string, unknown>[] {
  return server.log.trimEnd().split("\n").map((line) => JSON.parse(line));
}

test("kvs serve --log json logs an object a line", async (root) => {
  const tokenFile = `${root}/token`;
  Deno.writeTextFileSync(tokenFile, "sesame\n", { mode: 0o644 });
  await using server = await ServerProcess.start(
    ...["--dir", `${root}/data`, "--log", "json", "--auth-file", tokenFile],
  );
  await oneShot(server.addr, { Auth: { token: "Sesame" } });
  server.signal("SIGTERM");
  assertEquals((await server.end()).code, 0);
  assert(!/sesame/i.test(server.log));
  const lines = logged(server);
  for (const { time } of lines) {
    assert(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
  }
  const isUnix = Deno.build.os !== "windows";
  assertEquals(lines.map(({ time: _, message: __, ...fields }) => fields), [
    ...isUnix ? [{ level: "warn", path: tokenFile }] : [],
    { level: "info", version: VERSION },
    { level: "info", engine: "kvs", sync: "always" },
    { level: "info", dir: Deno.realPathSync(`${root}/data`) },
    { level: "info", addr: server.addr },
    { level: "info", signal: "SIGTERM" },
    { level: "info" },
  ]);
});

test("kvs serve --log json logs what ends it, too", async (root) => {
  await using server = await ServerProcess.start("--dir", `${root}/data`);
  const result = await kvs([
    ...["serve", "--log", "json", "--dir", `${root}/data`],
  ]);
  assertEquals([result.code, result.stdout], [1, ""]);
  const lines = result.stderr.trimEnd().split("\n");
  const { level, message } = JSON.parse(lines[lines.length - 1]);
  assertEquals(level, "error");
  assert(message.includes(`serving ${server.addr}`), message);
});

test("kvs serve logs damage that it finds as it starts", async (root) => {
  const dir = `${root}/data`;
  await kvs(["set", "k", "v", "--dir", dir]);
  Deno.writeTextFileSync(`${dir}/1.log`, "cut off", { append: true });
  await using server = await ServerProcess.start(
    ...["--dir", dir, "--log", "json", "--log-level", "info"],
  );
  const { level, path, offset, length } = logged(server)
    .find(({ reason }) => reason !== undefined)!;
  assertEquals([level, length], ["warn", 7]);
  assertEquals(path, Deno.realPathSync(`${dir}/1.log`));
  assertEquals(offset, Deno.statSync(`${dir}/1.log`).size);
});

test("kvs serve --log-level leaves out what matters less", async (root) => {
  const dir = `${root}/data`;
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = `127.0.0.1:${taken.addr.port}`;
  const run = (level: string) =>
    kvs(["serve", "--dir", dir, "--addr", addr, "--log-level", level]);
  const usual = await run("info");
  assertEquals(usual.code, 1);
  assertStringIncludes(usual.stderr, "INFO  Engine kvs");
  const quiet = await run("warn");
  assertEquals(quiet, {
    code: 1,
    stdout: "",
    stderr: `error: Cannot listen on ${addr}: address already in use\n`,
  });
  for (const flag of ["--log", "--log-level"]) {
    const wrong = await kvs(["serve", "--dir", dir, flag, "loud"]);
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, `error: ${flag} must be one of `);
  }
});
