import { assert, assertEquals, assertMatch } from "@std/assert";
import { within } from "../_deadline.ts";
import { MODULES, type Output, TestProject } from "./_project.ts";
import { serveRegistry } from "./_registry.ts";

/** Nothing listens on the port for echoes of long ago. */
const CLOSED = "http://127.0.0.1:7/";

function assertReal(output: Output): void {
  assertEquals(output, { code: 0, stdout: "--lock=.deno.lock\n", stderr: "" });
}

function assertStandIns(output: Output, reason: RegExp): void {
  assertEquals(output.code, 0);
  assertEquals(output.stdout, "--import-map=offline/import_map.json\n");
  assertMatch(output.stderr, reason);
  assertMatch(
    output.stderr,
    /^note: running on the stand-ins in offline\/ \([^\n]+\)\n$/,
  );
}

Deno.test("flag.ts leaves the packages as they are where the registry answers", async () => {
  using project = new TestProject();
  await using registry = serveRegistry();
  assertReal(await project.flag({ JSR_URL: registry.url }));
  assertEquals(registry.asked, ["/@std/assert/meta.json"]);
});

Deno.test("flag.ts asks the registry by way of the proxy there is", async () => {
  using project = new TestProject();
  await using proxy = serveRegistry();
  for (const name of ["HTTP_PROXY", "http_proxy"]) {
    assertReal(
      await project.flag({ JSR_URL: "http://jsr.invalid/", [name]: proxy.url }),
    );
  }
  assertEquals(proxy.asked.length, 2);
});

Deno.test("flag.ts chooses the stand-ins where nothing listens", async () => {
  using project = new TestProject();
  assertStandIns(
    await project.flag({ JSR_URL: CLOSED }),
    /\(no connection to 127\.0\.0\.1:7\)\n/,
  );
});

Deno.test("flag.ts chooses the stand-ins where the name does not resolve", async () => {
  using project = new TestProject();
  assertStandIns(
    await project.flag({ JSR_URL: "http://jsr.invalid/" }),
    /\(no connection to jsr\.invalid\)\n/,
  );
});

Deno.test("flag.ts chooses the stand-ins where the registry lacks a package or fails", async () => {
  using project = new TestProject();
  for (const status of [404, 500]) {
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("No", { status }),
    );
    assertStandIns(
      await project.flag({ JSR_URL: `http://127.0.0.1:${server.addr.port}/` }),
      new RegExp(
        `\\(status ${status} from 127\\.0\\.0\\.1:\\d+\\)`,
      ),
    );
  }
});

Deno.test("flag.ts chooses the stand-ins where the registry accepts and says nothing", async () => {
  using project = new TestProject();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const flag = project.flag({ JSR_URL: `http://127.0.0.1:${port}/` });
  assertStandIns(
    await within("an answer beside a silent registry", flag),
    /\(no answer within 1000 ms from 127\.0\.0\.1:\d+\)/,
  );
});

Deno.test({
  name: "flag.ts chooses the stand-ins where packets vanish, and soon",
  // Elsewhere a listener whose queue is full refuses instead of being silent
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    using project = new TestProject();
    using listener = Deno.listen({
      hostname: "127.0.0.1",
      port: 0,
      tcpBacklog: 1,
    });
    const { port } = listener.addr;
    using queue = new DisposableStack();
    let silent = false;
    for (let i = 0; i < 16 && !silent; i++) {
      const connection = await connectWithin(500, port);
      if (connection === undefined) silent = true;
      else queue.use(connection);
    }
    assert(silent, "The listener's queue does not fill up");
    const flag = project.flag({ JSR_URL: `http://127.0.0.1:${port}/` });
    assertStandIns(
      await within("an answer where packets vanish", flag),
      /\(no answer within 1000 ms from /,
    );
  },
});

async function connectWithin(
  timeoutMs: number,
  port: number,
): Promise<Deno.TcpConn | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await Deno.connect({ hostname: "127.0.0.1", port, signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

Deno.test("flag.ts leaves the packages as they are where the cache holds all packages, without a word to the registry", async () => {
  using project = new TestProject();
  const env = await (async () => {
    await using registry = serveRegistry();
    const env = { JSR_URL: registry.url };
    const { code, stdout } = await project.run(["task", "-q", "use"], env);
    assertEquals(code, 0);
    assertEquals(stdout.split("\n").length, MODULES.length + 1);
    for (const line of stdout.trim().split("\n")) {
      assertMatch(line, /^http.*\/@std\//);
    }
    const count = registry.asked.length;
    assertReal(await project.flag(env));
    assertEquals(registry.asked.length, count);
    return env;
  })();
  assertReal(await project.flag(env));
  const again = await project.run(["task", "-q", "use"], env);
  assertEquals(again.code, 0);
  assertMatch(again.stdout, /^http.*\/@std\//);
});

Deno.test("flag.ts chooses the stand-ins where the cache lacks a package, and the registry is gone", async () => {
  using project = new TestProject();
  const env = { JSR_URL: "" };
  {
    await using registry = serveRegistry();
    env.JSR_URL = registry.url;
    project.write("part.ts", `import ${JSON.stringify(MODULES[0])};`);
    assertEquals((await project.run(["run", "part.ts"], env)).code, 0);
    assertReal(await project.flag(env));
  }
  assertStandIns(await project.flag(env), /\(no connection to /);
});

Deno.test("flag.ts looks in the cache for the versions in the lock file", async () => {
  using project = new TestProject();
  const env = { JSR_URL: "" };
  {
    await using registry = serveRegistry();
    env.JSR_URL = registry.url;
    assertEquals((await project.run(["task", "use"], env)).code, 0);
  }
  const lock = project.read(".deno.lock");
  const pinned = /"(jsr:@std\/assert@[^"]+)": "([^"]+)"/.exec(lock)!;
  const [entry, specifier] = pinned;
  assertReal(await project.flag(env));
  project.write(
    ".deno.lock",
    lock.replace(entry, `"${specifier}": "1.0.999"`),
  );
  assertStandIns(await project.flag(env), /\(no connection to /);
  Deno.removeSync(`${project.path}/.deno.lock`);
  assertReal(await project.flag(env));
});

Deno.test("flag.ts serves a task that is run from a subdirectory", async () => {
  using project = new TestProject();
  const { code, stdout, stderr } = await project.run(
    ["task", "-q", "use"],
    { JSR_URL: CLOSED },
    "offline/sub",
  );
  assertMatch(stderr, /^note: .*\(no connection to .*\)\n$/);
  assertEquals(code, 0);
  for (const line of stdout.trim().split("\n")) {
    assertMatch(line, /^file:\/\/.*\/offline\//);
  }
});

Deno.test("flag.ts leaves the committed lock file as it is where the registry answers", async () => {
  using project = new TestProject();
  await using registry = serveRegistry();
  const env = { JSR_URL: registry.url };
  const committed = '{"version":"5"}';
  project.write("deno.lock", committed);
  for (let run = 0; run < 2; run++) {
    assertEquals((await project.run(["task", "-q", "use"], env)).code, 0);
    assertEquals(project.read("deno.lock"), committed);
    assertMatch(project.read(".deno.lock"), /"jsr:@std\/assert@/);
  }
});
