import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { EngineName } from "../../engine/engine.ts";
import { kvs, ServerProcess } from "./_kvs.ts";
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
  readonly dir: string;
  readonly args: string[];
}

function testEach(name: string, body: (setting: Setting) => Promise<void>) {
  for (const engine of ENGINE_NAMES) {
    Deno.test(`${name} (${engine})`, async () => {
      const root = Deno.makeTempDirSync({ prefix: "kvs_server_" });
      const dir = `${root}/data`;
      const args = ["--dir", dir, "--engine", engine, "--threads", "2"];
      try {
        await body({ engine, dir, args });
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    });
  }
}

const OK = '{"Ok":null}\n';
const NOT_FOUND = '{"Err":"Key not found"}\n';

testEach("kvs serve answers one-shot clients", async ({ args }) => {
  await using server = await ServerProcess.start(...args);
  const { addr } = server;
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
});

testEach(
  "kvs serve answers a client that waits after one object",
  async ({ args }) => {
    await using server = await ServerProcess.start(...args);
    using conn = await connect(server.addr);
    for (
      const [request, answer] of [[set("k", "v"), OK], [
        get("k"),
        '{"Ok":"v"}\n',
      ]]
    ) {
      await send(conn, JSON.stringify(request));
      assertEquals(await receive(conn, 1), answer);
    }
  },
);

testEach("kvs serve answers pipelined requests in order", async ({ args }) => {
  const COUNT = 1_000;
  await using server = await ServerProcess.start(...args);
  using conn = await connect(server.addr);
  const requests: unknown[] = [];
  let expected = "";
  for (let i = 0; i < COUNT; i++) {
    requests.push(
      set(`k${i}`, `v${i}`),
      get(`k${i}`),
      remove(`k${i - 1}`),
      get(`k${i - 1}`),
    );
    expected += `${OK}{"Ok":"v${i}"}\n${i > 0 ? OK : NOT_FOUND}${OK}`;
  }
  const [, answers] = await Promise.all([
    send(conn, lines(...requests)),
    receive(conn, 4 * COUNT),
  ]);
  assertEquals(answers, expected);
});

testEach("kvs serve answers what is wrong and goes on", async ({ args }) => {
  await using server = await ServerProcess.start(...args);
  const answers = await oneShot(
    server.addr,
    lines(set("k", "v"), { Set: { key: "k" } }, { Drop: {} }) +
      "nonsense\n" + lines(get("k")),
  );
  const [first, second, third, fourth, last] = answers.split("\n");
  assertEquals(`${first}\n`, OK);
  assertStringIncludes(second, 'field \\"value\\"');
  assertStringIncludes(third, "Drop");
  assertStringIncludes(fourth, '{"Err":"');
  assertEquals(last, '{"Ok":"v"}');
});

testEach(
  "kvs serve spreads clients that see each other's writes",
  async ({ args }) => {
    const CLIENTS = 20;
    await using server = await ServerProcess.start(...args);
    const conns = await Promise.all(
      Array.from({ length: CLIENTS }, () => connect(server.addr)),
    );
    try {
      for (const [i, conn] of conns.entries()) {
        await send(conn, lines(set("shared", `${i}`)));
        assertEquals(await receive(conn, 1), OK);
        const other = conns[(i + 7) % CLIENTS];
        await send(other, lines(get("shared")));
        assertEquals(await receive(other, 1), `{"Ok":"${i}"}\n`);
      }
    } finally {
      for (const conn of conns) conn.close();
    }
  },
);

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
);

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

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  testEach(
    `kvs serve stops at ${signal} with clients connected`,
    async ({ args, dir }) => {
      await using server = await ServerProcess.start(...args);
      const idle = await Promise.all(
        Array.from({ length: 10 }, () => connect(server.addr)),
      );
      await send(idle[0], lines(set("k", "v")));
      assertEquals(await receive(idle[0], 1), OK);
      const startMs = performance.now();
      server.signal(signal);
      const status = await server.end();
      const tookMs = performance.now() - startMs;
      assertEquals([status.code, status.signal], [0, null], server.log);
      assert(tookMs < 5_000, `Took ${tookMs} ms`);
      assertStringIncludes(server.log, `${signal}: stopping`);
      for (const conn of idle) {
        assertEquals(await receive(conn), "");
        conn.close();
      }
      const { stdout } = await kvs(["get", "k", "--dir", dir]);
      assertEquals(stdout, "v\n");
    },
  );
}

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
    const startMs = performance.now();
    server.signal("SIGTERM");
    const status = await server.end();
    assertEquals(status.code, 0, server.log);
    assert(performance.now() - startMs < 5_000);
  },
);

testEach("kvs serve ends at once at a second signal", async ({ args }) => {
  await using server = await ServerProcess.start(...args);
  using _stuck = await connectStuck(server.addr);
  server.signal("SIGTERM");
  await server.logged("SIGTERM: stopping");
  server.signal("SIGINT");
  assertEquals((await server.end()).code, 130, server.log);
});

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
});

testEach(
  "kvs serve logs what it serves, and where",
  async ({ args, dir, engine }) => {
    await using server = await ServerProcess.start(
      ...args,
      "--sync",
      "everysec",
    );
    const path = Deno.realPathSync(dir);
    const expected = new RegExp(
      [
        String.raw`^TIME INFO {2}kvs \d+\.\d+\.\d+`,
        `TIME INFO {2}Engine ${engine}, sync everysec`,
        `TIME INFO {2}Data directory ${path}`,
        `TIME INFO {2}Listening on ${server.addr}\n$`,
      ].join("\n").replaceAll("TIME", String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`),
    );
    assert(expected.test(server.log), server.log);
  },
);
