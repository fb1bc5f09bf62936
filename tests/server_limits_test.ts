import { assert, assertEquals, assertRejects } from "@std/assert";
import { retryIfSlow, until, within } from "./_deadline.ts";
import { ConnectionError, KvsClient, KvsError } from "../client.ts";
import type { PoolStrategy } from "../pool/pool.ts";
import { formatAddr, parseAddr } from "../addr.ts";
import type { KvsServer, KvsServerOptions } from "../server.ts";
import { makeCertificate } from "./_certificate.ts";
import { withEngine } from "./_server.ts";
import {
  connect,
  get,
  lines,
  oneShot,
  receive,
  send,
  set,
} from "./e2e/_tcp.ts";

const OK = '{"Ok":null}\n';
const KIBIBYTE = 1024;
/** The state of a socket that listens, as `/proc/net/tcp` has it. */
const LISTENING = "0A";

/** Runs a test with a pool of each kind of listener. */
function testPools(
  name: string,
  options: KvsServerOptions,
  body: (server: KvsServer, log: readonly string[]) => Promise<void>,
): void {
  const pools: PoolStrategy[] = ["reuse-port", "shared-queue"];
  for (const pool of pools) {
    Deno.test(`KvsServer ${name} (${pool})`, () =>
      withEngine(async (_engine, start) => {
        const log: string[] = [];
        await using server = await start({
          ...options,
          pool,
          log: (level, message) => log.push(`${level}: ${message}`),
        });
        await body(server, log);
      }));
  }
}

/** Reads to the end, be it a reset or that the test closes the connection. */
async function receiveRest(
  conn: Deno.TcpConn,
  maxLines = Infinity,
): Promise<string> {
  let text = "";
  try {
    for (let lines = 0; lines < maxLines; lines++) {
      const line = await receive(conn, 1);
      if (line === "") break;
      text += line;
    }
  } catch (error) {
    if (
      !(error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted)
    ) throw error;
  }
  return text;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

testPools("refuses connections beyond the limit, and no others", {
  limits: { maxConnections: 5 },
}, async (server, log) => {
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => KvsClient.connect(server.addr)),
  );
  await Promise.all(clients.map((client) => client.get("k")));
  const message = "Too many connections, the limit is 5 (--max-connections)";
  for (let i = 0; i < 3; i++) {
    using conn = await connect(server.addr);
    assertEquals(await receiveRest(conn), `{"Err":"${message}"}\n`);
  }
  {
    using refused = await KvsClient.connect(server.addr);
    const error = await assertRejects(() => refused.get("k"));
    assert(error instanceof KvsError || error instanceof ConnectionError);
    assert(error.message.includes(message), error.message);
  }
  clients.pop()?.close();
  await until("a place to be free", async () => {
    using client = await KvsClient.connect(server.addr);
    return await client.get("k").then(() => true, () => false);
  });
  for (const client of clients) await client.get("k");
  assert(log.length >= 1 && log.length <= 2, "Once for each Worker");
  assertEquals(
    log[0],
    "warn: Refusing connections: Too many connections, the limit is 5 (--max-connections)",
  );
  for (const client of clients) client.close();
});

testPools("closes a connection that is idle for too long", {
  limits: { idleTimeoutMs: 300 },
}, async (server) => {
  const active = new AskingClient(server.addr);
  const idle = new AskingClient(server.addr);
  let startMs = 0;
  await until("the idle client to ask in time", () => {
    startMs = performance.now();
    return idle.ask([lines(set("k", "v"))]);
  });
  let isClosed = false;
  const closed = idle.rest().finally(() => isClosed = true);
  await until("the idle connection to be closed", async () => {
    await active.ask([lines(get("missing"))]);
    return isClosed;
  });
  assertEquals(
    await closed,
    '{"Err":"No request for 300 ms (--idle-timeout)"}\n',
  );
  assert(performance.now() - startMs >= 290);
  await until(
    "the active client to ask in time",
    () => active.ask([lines(get("missing"))]),
  );
  assertEquals(await oneShot(server.addr, get("k")), '{"Ok":"v"}\n');
  active.close();
  idle.close();
});

testPools("never closes an idle connection unless told to", {
  limits: { requestTimeoutMs: 100, unreadTimeoutMs: 100 },
}, async (server) => {
  using idle = await connect(server.addr);
  await sleep(400);
  await send(idle, lines(get("k")));
  assertEquals(await receive(idle, 1), OK);
  await sleep(400);
  await send(idle, lines(get("k")));
  assertEquals(await receive(idle, 1), OK);
});

testPools("closes a connection whose request takes too long", {
  limits: { requestTimeoutMs: 300 },
}, async (server) => {
  using slow = await connect(server.addr);
  const startMs = performance.now();
  // Both send a byte at a time; one of them ends its requests.
  let isClosed = false;
  const closed = receiveRest(slow).finally(() => isClosed = true);
  await send(slow, '{"Get":{"key":"');
  const busy = new AskingClient(server.addr);
  await until("the slow one to be closed", async () => {
    await send(slow, "x").catch(() => {});
    await busy.ask([...lines(get("k"))]);
    return isClosed;
  });
  assertEquals(
    await closed,
    '{"Err":"Request not finished within 300 ms (--request-timeout)"}\n',
  );
  assert(performance.now() - startMs >= 290);
  // Even where there is always a part of a request.
  const streamMs = performance.now();
  let after = "{";
  while (performance.now() - streamMs < 900 || busy.answered === 0) {
    const isKept = await busy.ask([after, '"Get":{"key":"k"}}\n{']);
    after = isKept ? "" : "{";
  }
  busy.close();
});

/** Asks in pieces. It is closed only if this machine was too slow for that. */
class AskingClient {
  /** How many answers came. */
  answered = 0;
  readonly #addr: string;
  #conn: Deno.TcpConn | undefined;
  /** When it connected, or its last answer came. */
  #sinceMs = 0;

  constructor(addr: string) {
    this.#addr = addr;
  }

  /** Sends the pieces with pauses, and says whether the answer came. */
  async ask(pieces: readonly string[]): Promise<boolean> {
    if (this.#conn === undefined) {
      this.#sinceMs = performance.now();
      this.#conn = await connect(this.#addr);
    }
    let answer = "";
    try {
      for (const piece of pieces) {
        await send(this.#conn, piece);
        await sleep(5);
      }
      answer = await receive(this.#conn, 1);
    } catch {
      // It was closed, and reset by what came later.
    }
    const nowMs = performance.now();
    const tookMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    if (answer === OK) {
      this.answered++;
      return true;
    }
    assert(tookMs >= 290, `Closed after ${tookMs} ms: ${answer}`);
    this.close();
    return false;
  }

  /** Asks no more, and reads to the end. */
  rest(): Promise<string> {
    return receiveRest(this.#conn!);
  }

  close(): void {
    this.#conn?.close();
    this.#conn = undefined;
  }
}

testPools("closes the connection of who shows no token in time", {
  token: "sesame",
  limits: { requestTimeoutMs: 300 },
}, async (server) => {
  const message =
    '{"Err":"Not authenticated within 300 ms (--request-timeout)"}\n';
  using silent = await connect(server.addr);
  await until("one that talks to be answered in time", async () => {
    using talking = await connect(server.addr);
    let isClosed = false;
    const answers = receiveRest(talking).finally(() => isClosed = true);
    await until("the one that talks to be closed", async () => {
      await send(talking, lines(get("k"))).catch(() => {});
      return isClosed;
    });
    const all = await answers;
    assert(all.endsWith(message), all);
    return all.startsWith('{"Err":"Authentication required');
  });
  assertEquals(await receiveRest(silent), message);
});

Deno.test("KvsServer counts who does not agree on TLS, and stops all the same", () =>
  withEngine(async (_engine, start, dir) => {
    const tls = await makeCertificate(dir);
    const limits = { maxConnections: 2 };
    await using server = await start({ tls, limits });
    const silent = await connect(server.addr);
    const options = { tls: { caCerts: [tls.cert] } };
    using client = await KvsClient.connect(server.addr, options);
    await client.set("k", "v");
    const isServed = async () => {
      using another = await KvsClient.connect(server.addr, options);
      return await another.get("k").then(() => true, () => false);
    };
    const isOpen = async (count: number) =>
      (await server.stats()).connections.open === count;
    await until("the silent one to be counted", () => isOpen(2));
    assertEquals(await isServed(), false);
    silent.close();
    await until("another client to be served", isServed);
    await until("the other client to be gone", () => isOpen(1));
    using _silent = await connect(server.addr);
    await until("the silent one to be counted", () => isOpen(2));
    await client.get("k");
    await within("the stop of the server", server.stop());
  }));

for (const pool of ["reuse-port", "shared-queue"] as const) {
  Deno.test(`KvsServer hangs up on who does not agree on TLS in time, or is one too many (${pool})`, () =>
    withEngine(async (_engine, start, dir) => {
      const tls = await makeCertificate(dir);
      const limits = { requestTimeoutMs: 300, maxConnections: 2 };
      await using server = await start({ pool, tls, limits });
      const connectInTime = () =>
        retryIfSlow(290, async () => {
          const client = await KvsClient.connect(server.addr, {
            tls: { caCerts: [tls.cert] },
          });
          try {
            await client.get("k");
            return client;
          } catch (error) {
            client.close();
            throw error;
          }
        });
      using client = await connectInTime();
      const silent: Deno.TcpConn[] = [];
      const hungUp: Promise<number>[] = [];
      for (let i = 0; i < 11; i++) {
        const startMs = performance.now();
        const conn = await connect(server.addr);
        silent.push(conn);
        hungUp.push(receiveRest(conn).then(() => performance.now() - startMs));
      }
      for (const ms of await Promise.all(hungUp)) {
        assert(ms > 250, `Hung up after ${ms} ms`);
      }
      await client.set("k", "v");
      using another = await connectInTime();
      assertEquals(await another.get("k"), "v");
      for (const conn of silent) conn.close();
    }));

  Deno.test(`KvsServer hangs up on who falls silent within TLS (${pool})`, () =>
    withEngine(async (engine, start, dir) => {
      const tls = await makeCertificate(dir);
      await engine.set("big", "x".repeat(8 * 1024 * KIBIBYTE));
      const limits = { idleTimeoutMs: 300, unreadTimeoutMs: 300 };
      await using server = await start({ pool, tls, limits });
      for (const key of ["missing", "big"]) {
        const text = lines(...Array.from({ length: 9 }, () => get(key)));
        await using _client = await retryIfSlow(
          290,
          () => fallSilent(server.addr, tls.cert, text),
        );
        await until(
          "the server to hang up",
          () => countConnections(server.addr) === 0,
        );
      }
    }));
}

/** A client that asks over TLS and falls silent once an answer is there. */
async function fallSilent(
  addr: string,
  caCert: string,
  text: string,
): Promise<AsyncDisposable> {
  await until(
    "the one before it to be closed",
    () => countConnections(addr) === 0,
  );
  await using ends = new AsyncDisposableStack();
  // What client and server say goes through this, until it stops.
  using relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, near, far] = await Promise.all([
    connect(formatAddr(relay.addr)),
    relay.accept(),
    connect(addr),
  ]);
  let isSilent = false;
  const pass = async (from: Deno.Conn, to: Deno.Conn) => {
    const chunk = new Uint8Array(1024);
    for (;;) {
      const count = await from.read(chunk);
      if (count === null || isSilent) return;
      await to.write(chunk.subarray(0, count));
    }
  };
  const passed = Promise.allSettled([pass(near, far), pass(far, near)]);
  ends.defer(async () => {
    await passed;
  });
  ends.use(near);
  ends.use(far);
  const client = ends.use(
    await Deno.startTls(conn, { hostname: "127.0.0.1", caCerts: [caCert] }),
  );
  await client.handshake();
  assertEquals(countConnections(addr), 1);
  await client.write(new TextEncoder().encode(text));
  const count = await within("an answer", client.read(new Uint8Array(64)));
  assert(count !== null, "The server hung up before it answered");
  isSilent = true;
  return ends.move();
}

/**
 * How many connections a server has open, by the system's account: one that it
 * has closed may go on there for a while, but belongs to no process.
 */
function countConnections(addr: string): number {
  const port = parseAddr(addr).port.toString(16).toUpperCase().padStart(4, "0");
  return Deno.readTextFileSync("/proc/self/net/tcp").split("\n").filter(
    (line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      return local?.endsWith(`:${port}`) && state !== LISTENING &&
        inode !== "0";
    },
  ).length;
}

testPools("closes the connection of a client that does not read", {
  limits: { unreadTimeoutMs: 1_000 },
}, async (server) => {
  const value = "x".repeat(512 * KIBIBYTE);
  assertEquals(await oneShot(server.addr, set("big", value)), OK);
  using stuck = await connect(server.addr);
  await send(stuck, lines(...Array.from({ length: 40 }, () => get("big"))));
  await within("the first answer", stuck.read(new Uint8Array(1)));
  {
    // By its own account: on Deno 2.7 a socket with an unfinished write stays.
    using watcher = await KvsClient.connect(server.addr);
    await until(
      "the server to close the connection",
      async () => (await watcher.stats()).connections.open === 1,
    );
  }
  // Only what fitted into the buffers of the system is left.
  const left = await within("the rest", receiveRest(stuck));
  assert(left.length < 40 * value.length, `${left.length} characters`);
  // Who reads in time is served, however much it is.
  await until("a client to read everything", async () => {
    using reading = await connect(server.addr);
    const startMs = performance.now();
    const [answers] = await Promise.all([
      receiveRest(reading, 40),
      send(reading, lines(...Array.from({ length: 40 }, () => get("big")))),
    ]);
    if (answers.length === 40 * (value.length + '{"Ok":""}\n'.length)) {
      return true;
    }
    // This machine was too slow for that.
    assert(performance.now() - startMs >= 1_000, `${answers.length} bytes`);
    return false;
  });
});

testPools("runs no more requests of a client that does not read", {
  limits: { maxUnreadBytes: 64 * KIBIBYTE },
}, async (server) => {
  const value = "x".repeat(1024 * KIBIBYTE);
  assertEquals(await oneShot(server.addr, set("big", value)), OK);
  using stuck = await connect(server.addr);
  const gets = Array.from({ length: 40 }, () => get("big"));
  await send(stuck, lines(...gets, set("marker", "set")));
  await sleep(300);
  assertEquals(await oneShot(server.addr, get("marker")), OK);
  assert((await receive(stuck, 41)).endsWith(OK));
  assertEquals(await oneShot(server.addr, get("marker")), '{"Ok":"set"}\n');
});

testPools("holds no more of unfinished requests than it may in all", {
  limits: { maxBufferBytes: 4 * 1024 * KIBIBYTE },
}, async (server) => {
  const part = `{"Set":{"key":"k","value":"${"x".repeat(1_500_000)}`;
  const conns = await Promise.all(
    Array.from({ length: 8 }, () => connect(server.addr)),
  );
  const ended: string[] = [];
  const rests = conns.map(async (conn) => {
    ended.push(await receiveRest(conn));
  });
  for (const conn of conns) await send(conn, part).catch(() => {});
  // Each takes about 2 MiB.
  await until("6 of 8 connections to be closed", () => ended.length >= 6);
  for (const text of ended.filter((text) => text !== "")) {
    assertEquals(
      text,
      '{"Err":"Too much under way, the limit is 4194304 bytes for all connections (--max-buffer-size)"}\n',
    );
  }
  for (const conn of conns) {
    try {
      conn.close();
    } catch {
      // The server was first.
    }
  }
  await Promise.all(rests);
  await until(
    "what they held to be free again",
    async () => await oneShot(server.addr, `${part}"}}`).catch(() => "") === OK,
  );
});

testPools("refuses keys, values and requests that are too long", {
  limits: { maxKeyBytes: 10, maxValueBytes: 20, maxRequestBytes: 100 },
}, async (server) => {
  assertEquals(
    await oneShot(
      server.addr,
      lines(
        set("k".repeat(11), "v"),
        set("k", "v".repeat(21)),
        get("k".repeat(11)),
        set("é".repeat(5), "v".repeat(20)),
        get("x".repeat(100)),
      ),
    ),
    '{"Err":"Key of 11 bytes exceeds the limit of 10 bytes (--max-key-size)"}\n' +
      '{"Err":"Value of 21 bytes exceeds the limit of 20 bytes (--max-value-size)"}\n' +
      '{"Err":"Key of 11 bytes exceeds the limit of 10 bytes (--max-key-size)"}\n' +
      OK +
      '{"Err":"Request of 118 bytes exceeds the limit of 100 bytes (--max-request-size)"}\n',
  );
});

Deno.test("KvsServer.start() refuses limits that make no sense", () =>
  withEngine(async (_engine, start) => {
    const cases = [
      { maxKeyBytes: -1 },
      { maxValueBytes: 2 ** 40 },
      { maxRequestBytes: 1.5 },
      { maxConnections: 0 },
      { idleTimeoutMs: NaN },
      { requestTimeoutMs: -1 },
      { unreadTimeoutMs: Infinity },
      { maxUnreadBytes: 0 },
      { maxBufferBytes: 1000 },
    ];
    for (const limits of cases) {
      const [[name, value]] = Object.entries(limits);
      await assertRejects(
        () => start({ limits }),
        RangeError,
        `Cannot limit ${name} to ${value}: expected a whole number`,
      );
    }
  }));
