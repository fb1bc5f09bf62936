import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { EngineName } from "../../engine/engine.ts";
import { POOL_STRATEGIES, type PoolStrategy } from "../../pool/pool.ts";
import { BINARY, kvs, PERMISSIONS, ServerProcess } from "./_kvs.ts";
import {
  connect,
  get,
  lines,
  oneShot,
  receive,
  remove,
  send,
  set,
} from "./_tcp.ts";

/** A server's arguments, with a directory that is not there yet. */
interface Setting {
  readonly engine: EngineName;
  readonly pool: PoolStrategy;
  readonly dir: string;
  readonly args: string[];
}

const [DEFAULT_POOL, ...OTHER_POOLS] = POOL_STRATEGIES;

/**
 * Runs a test with each engine on the default pool. The whole matrix of
 * engines and pools is in the tests that share one server.
 */
function testEach(
  name: string,
  body: (setting: Setting) => Promise<void>,
  pools: readonly PoolStrategy[] = [DEFAULT_POOL],
  engines = ENGINE_NAMES,
) {
  for (const engine of engines) {
    for (const pool of pools) {
      Deno.test(`${name} (${engine}, ${pool})`, async () => {
        const root = Deno.makeTempDirSync({ prefix: "kvs_server_" });
        const dir = `${root}/data`;
        const args = ["--dir", dir, "--engine", engine, "--threads", "2"];
        if (pool !== DEFAULT_POOL) args.push("--pool", pool);
        try {
          await body({ engine, pool, dir, args });
        } finally {
          Deno.removeSync(root, { recursive: true });
        }
      });
    }
  }
}

const OK = '{"Ok":null}\n';
const NOT_FOUND = '{"Err":"Key not found"}\n';

testEach("kvs serve keeps the contract", async (setting) => {
  const { engine, pool, dir, args } = setting;
  // A Worker for each batch takes its time.
  const isNaive = pool === "naive";
  await using server = await ServerProcess.start(...args, "--sync", "everysec");
  const { addr } = server;

  // It logs what it serves, and where.
  const path = Deno.realPathSync(dir);
  const expected = new RegExp(
    [
      String.raw`^TIME INFO {2}kvs \d+\.\d+\.\d+`,
      `TIME INFO {2}Engine ${engine}, sync everysec`,
      `TIME INFO {2}Data directory ${path}`,
      `TIME INFO {2}Listening on ${addr}\n$`,
    ].join("\n").replaceAll("TIME", String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`),
  );
  assert(expected.test(server.log), server.log);

  // One-shot clients.
  assertEquals(await oneShot(addr, get("k")), OK);
  assertEquals(await oneShot(addr, set("k", 'v\n"é')), OK);
  assertEquals(await oneShot(addr, get("k")), '{"Ok":"v\\n\\"é"}\n');
  assertEquals(
    await oneShot(addr, JSON.stringify(get("k"), null, 2)),
    '{"Ok":"v\\n\\"é"}\n',
  );
  assertEquals(await oneShot(addr, remove("k")), OK);
  assertEquals(await oneShot(addr, remove("k")), NOT_FOUND);
  assertEquals(await oneShot(addr, ""), "");
  const report = JSON.parse(await oneShot(addr, { Compact: {} }));
  assertEquals(Object.keys(report.Ok), ["bytesBefore", "bytesAfter"]);

  // A client that waits after one object.
  using waiting = await connect(addr);
  await send(waiting, JSON.stringify(set("k", "v")));
  assertEquals(await receive(waiting, 1), OK);
  await send(waiting, JSON.stringify(get("k")));
  assertEquals(await receive(waiting, 1), '{"Ok":"v"}\n');

  // Pipelined requests, in order.
  const COUNT = isNaive ? 100 : 1_000;
  const requests: unknown[] = [];
  let answers = "";
  for (let i = 0; i < COUNT; i++) {
    requests.push(
      set(`k${i}`, `v${i}`),
      get(`k${i}`),
      remove(`k${i - 1}`),
      get(`k${i - 1}`),
    );
    answers += `${OK}{"Ok":"v${i}"}\n${i > 0 ? OK : NOT_FOUND}${OK}`;
  }
  const [, received] = await Promise.all([
    send(waiting, lines(...requests)),
    receive(waiting, 4 * COUNT),
  ]);
  assertEquals(received, answers);

  // What is wrong, and what comes after it.
  const mixed = await oneShot(
    addr,
    lines(set("k", "v"), { Set: { key: "k" } }, { Drop: {} }) +
      "nonsense\n" + lines(get("k")),
  );
  const [first, second, third, fourth, last] = mixed.split("\n");
  assertEquals(`${first}\n`, OK);
  assertStringIncludes(second, 'field \\"value\\"');
  assertStringIncludes(third, "Drop");
  assertStringIncludes(fourth, '{"Err":"');
  assertEquals(last, '{"Ok":"v"}');

  // Clients that see each other's writes.
  const conns = await Promise.all(
    Array.from({ length: isNaive ? 2 : 20 }, () => connect(addr)),
  );
  for (const [i, conn] of conns.entries()) {
    await send(conn, lines(set("shared", `${i}`)));
    assertEquals(await receive(conn, 1), OK);
    const other = conns[(i + 3) % conns.length];
    await send(other, lines(get("shared")));
    assertEquals(await receive(other, 1), `{"Ok":"${i}"}\n`);
  }

  // The stop, with all of them connected.
  server.signal("SIGTERM");
  const status = await server.end();
  assertEquals([status.code, status.signal], [0, null], server.log);
  assertStringIncludes(server.log, "SIGTERM: stopping");
  for (const conn of conns) {
    assertEquals(await receive(conn), "");
    conn.close();
  }
  const { stdout } = await kvs(["get", "k", "--dir", dir]);
  assertEquals(stdout, "v\n");
}, POOL_STRATEGIES);

for (
  const [engines, pools] of [
    [ENGINE_NAMES, [DEFAULT_POOL]],
    [["kvs"], OTHER_POOLS],
  ] as const
) {
  testEach(
    "kvs serve finds every acknowledged write after kill -9",
    async ({ args, dir }) => {
      let acknowledged = 0;
      {
        await using server = await ServerProcess.start(...args);
        using conn = await connect(server.addr);
        // Killed in the middle of the stream.
        const sent = send(
          conn,
          lines(
            ...Array.from({ length: 50_000 }, (_, i) => set(`k${i}`, `v${i}`)),
          ),
        ).catch(() => {});
        const first = await receive(conn, 1);
        server.signal("SIGKILL");
        const rest = await receive(conn).catch(() => "");
        await sent;
        acknowledged = (first + rest).split("\n").length - 1;
        assertEquals((await server.end()).signal, "SIGKILL");
      }
      assert(acknowledged > 0);
      await using server = await ServerProcess.start("--dir", dir);
      assertStringIncludes(server.log, `Engine ${args[3]}`);
      const answers = await oneShot(
        server.addr,
        lines(...Array.from({ length: acknowledged }, (_, i) => get(`k${i}`))),
      );
      let expected = "";
      for (let i = 0; i < acknowledged; i++) expected += `{"Ok":"v${i}"}\n`;
      assertEquals(answers, expected);
    },
    pools,
    engines,
  );
}

testEach(
  "kvs serve refuses a directory or a port that is in use",
  async ({ args, dir, engine }) => {
    await using server = await ServerProcess.start(...args);
    const failed = await kvs(["serve", "--addr", "127.0.0.1:0", "--dir", dir]);
    assertEquals(failed.code, 1);
    const reason = `locked by process ${server.pid} serving ${server.addr}`;
    assertStringIncludes(
      failed.stderr,
      `error: Cannot open data directory "${dir}": ${reason}\n`,
    );
    // So does every command on the files.
    const get = await kvs(["get", "k", "--dir", dir]);
    assertEquals(get.code, 1);
    assertStringIncludes(get.stderr, reason);
    const other = await kvs([
      "serve",
      "--addr",
      server.addr,
      "--dir",
      `${dir}2`,
      "--engine",
      engine,
    ]);
    assertEquals(other.code, 1);
    assertStringIncludes(
      other.stderr,
      `error: Cannot listen on ${server.addr}: address already in use\n`,
    );
    assertEquals(await oneShot(server.addr, set("k", "v")), OK);
  },
);

testEach(
  "kvs serve refuses the other engine's directory",
  async ({ args, dir, engine }) => {
    {
      await using server = await ServerProcess.start(...args);
      server.signal("SIGTERM");
      await server.end();
    }
    const other = ENGINE_NAMES.find((name) => name !== engine)!;
    const failed = await kvs(["serve", "--dir", dir, "--engine", other]);
    assertEquals(failed.code, 1);
    assertStringIncludes(
      failed.stderr,
      `error: Data directory "${dir}" belongs to engine ${engine}; it cannot be opened with ${other}\n`,
    );
  },
);

testEach(
  "kvs serve stops at SIGINT",
  async ({ args }) => {
    await using server = await ServerProcess.start(...args);
    server.signal("SIGINT");
    assertEquals((await server.end()).code, 0, server.log);
    assertStringIncludes(server.log, "SIGINT: stopping");
  },
  [DEFAULT_POOL],
  ["kvs"],
);

/** Connects a client that asks for more than all buffers hold, and reads none. */
async function connectStuck(addr: string): Promise<Deno.TcpConn> {
  const conn = await connect(addr);
  await send(conn, lines(set("big", "x".repeat(1_000_000))));
  assertEquals(await receive(conn, 1), OK);
  await send(conn, lines(...Array.from({ length: 40 }, () => get("big"))));
  return conn;
}

testEach(
  "kvs serve stops although a client does not read its answers",
  async ({ args }) => {
    await using server = await ServerProcess.start(...args);
    using _stuck = await connectStuck(server.addr);
    assertEquals(await oneShot(server.addr, get("missing")), OK);
    server.signal("SIGTERM");
    const status = await server.end();
    assertEquals(status.code, 0, server.log);
  },
  [DEFAULT_POOL, "shared-queue"],
  ["kvs"],
);

testEach(
  "kvs serve ends at once at a second signal",
  async ({ args }) => {
    await using server = await ServerProcess.start(...args);
    using _stuck = await connectStuck(server.addr);
    server.signal("SIGTERM");
    await server.logged("SIGTERM: stopping");
    server.signal("SIGINT");
    assertEquals((await server.end()).code, 130, server.log);
  },
  [DEFAULT_POOL],
  ["kvs"],
);

testEach("kvs serve compacts while others are served", async ({ args }) => {
  await using server = await ServerProcess.start(...args);
  using writer = await connect(server.addr);
  const round = (i: number) =>
    lines(
      ...Array.from(
        { length: 200 },
        (_, key) => set(`k${key}`, `${i} ${key} `.repeat(300)),
      ),
    );
  for (let i = 0; i < 6; i++) {
    await Promise.all([send(writer, round(i)), receive(writer, 200)]);
  }
  using compactor = await connect(server.addr);
  await send(compactor, lines({ Compact: {} }));
  let rounds = 6;
  let report: string | undefined;
  receive(compactor, 1).then((answer) => report = answer);
  while (report === undefined) {
    await Promise.all([send(writer, round(rounds++)), receive(writer, 200)]);
  }
  const { bytesBefore, bytesAfter } = JSON.parse(report).Ok;
  assert(bytesAfter < bytesBefore, report);
  for (const key of [0, 100, 199]) {
    assertEquals(
      await oneShot(server.addr, get(`k${key}`)),
      `{"Ok":"${`${rounds - 1} ${key} `.repeat(300)}"}\n`,
    );
  }
}, [DEFAULT_POOL, "shared-queue"]);

Deno.test({
  name: "kvs serve does without native code where it may not call any",
  // A binary's permissions are part of it.
  ignore: BINARY !== undefined,
  async fn() {
    const dir = Deno.makeTempDirSync({ prefix: "kvs_server_" });
    const permissions = PERMISSIONS.filter((flag) => flag !== "--allow-ffi");
    assert(permissions.length < PERMISSIONS.length);
    try {
      await using server = await ServerProcess.startWith(
        { permissions },
        ...["--addr", "127.0.0.1:0", "--dir", dir, "--threads", "2"],
      );
      const requests = lines(set("a", "1"), set("b", "2"), get("a"), get("b"));
      assertEquals(
        await oneShot(server.addr, requests),
        `${OK}${OK}{"Ok":"1"}\n{"Ok":"2"}\n`,
      );
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});
