import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parseExposition } from "../monitor/_exposition_parser.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
import { get, oneShot, set } from "./_tcp.ts";

/** Runs a test with a directory for its files. */
function test(name: string, body: (root: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const root = Deno.makeTempDirSync({ prefix: "kvs_monitoring_" });
    try {
      await body(root);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  });
}

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
