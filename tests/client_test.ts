import { assert, assertEquals, assertRejects } from "@std/assert";
import { within } from "./_deadline.ts";
import { ConnectionError, KvsClient, KvsError } from "../client.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { Executor } from "../net/executor.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import { MemoryEngine } from "./_memory_engine.ts";
import { aloneMonitor } from "./_monitor.ts";

const monitor = aloneMonitor();

/** Listens on a free port and hands each connection to a handler. */
class TestServer implements AsyncDisposable {
  readonly addr: string;
  readonly #listener: Deno.TcpListener;
  readonly #served: Promise<void>[] = [];
  readonly #accepting: Promise<void>;

  constructor(handle: (conn: Deno.TcpConn) => Promise<void>) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.addr = `127.0.0.1:${this.#listener.addr.port}`;
    this.#accepting = this.#accept(handle);
  }

  async #accept(handle: (conn: Deno.TcpConn) => Promise<void>) {
    for await (const conn of this.#listener) {
      this.#served.push(handle(conn).finally(() => conn.close()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#served);
  }
}

async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await conn.write(bytes.subarray(sent));
  }
}

/** Serves a store as the real server does. */
function serve(engine: MemoryEngine): TestServer {
  return new TestServer(async (conn) => {
    const requests = new RequestBuffer();
    const answers = new AnswerBuffer();
    for (;;) {
      const read = await conn.read(requests.space());
      if (read === null) return;
      requests.commit(read);
      for (let isMore = true; isMore;) {
        isMore = await new Executor(engine, monitor).run(requests, answers);
        await send(conn, answers.bytes());
        answers.clear();
      }
    }
  });
}

/** Reads until so many requests have come, then answers with fixed text. */
function script(
  requestCount: number,
  answer: (conn: Deno.TcpConn) => Promise<void>,
): TestServer {
  return new TestServer(async (conn) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let count = 0; count < requestCount;) {
      const read = await conn.read(buffer);
      if (read === null) return;
      count += buffer.subarray(0, read).filter((byte) => byte === 10).length;
    }
    await answer(conn);
  });
}

const encoder = new TextEncoder();

Deno.test("KvsClient sets, gets, removes and compacts", async () => {
  const engine = new MemoryEngine();
  await using server = serve(engine);
  await using client = await KvsClient.connect(server.addr);
  assertEquals(await client.get("k"), undefined);
  await client.set("k", "v");
  assertEquals(await client.get("k"), "v");
  assertEquals(await client.remove("k"), true);
  assertEquals(await client.remove("k"), false);
  assertEquals(await client.get("k"), undefined);
  await client.set("k", "four");
  assertEquals(await client.compact(), { bytesBefore: 10, bytesAfter: 5 });
});

Deno.test("KvsClient.connect() takes an address in parts", async () => {
  await using server = serve(new MemoryEngine());
  const [hostname, port] = server.addr.split(":");
  using client = await KvsClient.connect({ hostname, port: Number(port) });
  assertEquals(await client.get("k"), undefined);
});

Deno.test("KvsClient carries any text", async () => {
  await using server = serve(new MemoryEngine());
  await using client = await KvsClient.connect(server.addr);
  const texts = [
    "",
    "\0",
    '"\\/\b\f\n\r\t',
    "é€😀\u2028\ufeff",
    '{"Get":{"key":"k"}}\n',
    String.fromCharCode(...Array(0x100).keys()),
  ];
  for (const text of texts) {
    await client.set(text, `<${text}>`);
    assertEquals(await client.get(text), `<${text}>`);
    await client.set("value", text);
    assertEquals(await client.get("value"), text);
    assertEquals(await client.remove(text), true);
  }
});

Deno.test("KvsClient carries values of megabytes", async () => {
  await using server = serve(new MemoryEngine());
  await using client = await KvsClient.connect(server.addr);
  const values = Array.from({ length: 5 }, (_, i) => `${i}€`.repeat(2 ** 19));
  await Promise.all(values.map((value, i) => client.set(`${i}`, value)));
  const got = await Promise.all(values.map((_, i) => client.get(`${i}`)));
  assert(got.every((value, i) => value === values[i]));
});

Deno.test("KvsClient rejects with what the server says", async () => {
  const engine = new MemoryEngine();
  await using server = serve(engine);
  await using client = await KvsClient.connect(server.addr);
  engine.failNext("write", new Error("Disk is full"));
  await assertRejects(() => client.set("k", "v"), KvsError, "Disk is full");
  engine.failNext("getBytes", new Error("Bad record"));
  await assertRejects(() => client.get("k"), KvsError, "Bad record");
  engine.failNext("compact", new Error("Busy"));
  await assertRejects(() => client.compact(), KvsError, "Busy");
  engine.failNext("write", new Error("Disk is full"));
  await assertRejects(() => client.remove("k"), KvsError, "Disk is full");
  await assertRejects(
    () => client.get("\ud800"),
    KvsError,
    'Get: field "key" holds a lone surrogate',
  );
  assertEquals(await client.get("k"), undefined);
});

Deno.test("KvsClient sends the requests of one turn in one write", async () => {
  const engine = new MemoryEngine();
  await using server = serve(engine);
  await using client = await KvsClient.connect(server.addr);
  // Few enough for the server to have them with one read.
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => client.set(`${i}`, "v")),
  );
  assertEquals(engine.batchLengths, [50]);
  // The answers resolve in one turn as well, and so the next requests of
  // fifty independent users of the client leave together again.
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      await client.get(`${i}`);
      await client.remove(`${i}`);
    }),
  );
  assertEquals(engine.batchLengths, [50, 50]);
});

Deno.test("KvsClient matches many answers to their requests", async () => {
  await using server = serve(new MemoryEngine({ isAsync: true }));
  await using client = await KvsClient.connect(server.addr);
  const promises: Promise<unknown>[] = [];
  const expected: unknown[] = [];
  for (let i = 0; i < 2_000; i++) {
    promises.push(client.set(`${i % 50}`, `${i}`));
    expected.push(undefined);
    promises.push(client.get(`${i % 50}`));
    expected.push(`${i}`);
    promises.push(client.remove(i % 3 === 0 ? `${i % 50}` : "missing"));
    expected.push(i % 3 === 0);
  }
  assertEquals(await Promise.all(promises), expected);
});

Deno.test("KvsClient reads answers that come in single bytes", async () => {
  const text = '{"Ok":"é"}\n{"Ok":null}\n{"Err":"€ 😀"}\n';
  await using server = script(3, async (conn) => {
    conn.setNoDelay(true);
    for (const byte of encoder.encode(text)) {
      await conn.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve));
    }
    await conn.read(new Uint8Array(1));
  });
  await using client = await KvsClient.connect(server.addr);
  const failing = Promise.allSettled([client.get("a"), client.get("b")]);
  await assertRejects(() => client.get("c"), KvsError, "€ 😀");
  assertEquals(await failing, [
    { status: "fulfilled", value: "é" },
    { status: "fulfilled", value: undefined },
  ]);
});

Deno.test("KvsClient rejects all requests when the connection is lost", async () => {
  await using server = script(4, async (conn) => {
    // The last answer is cut off.
    await send(conn, encoder.encode('{"Ok":"a"}\n{"Ok":"b'));
  });
  using client = await KvsClient.connect(server.addr);
  const results = await Promise.allSettled(
    ["a", "b", "c", "d"].map((key) => client.get(key)),
  );
  assertEquals(results[0], { status: "fulfilled", value: "a" });
  for (const result of results.slice(1)) {
    assert(result.status === "rejected");
    assert(result.reason instanceof ConnectionError);
    assertEquals(
      result.reason.message,
      `Connection to ${server.addr} lost with 3 requests unanswered`,
    );
  }
  const error = await assertRejects(() => client.get("e"), ConnectionError);
  assertEquals(error.message, `Connection to ${server.addr} lost`);
});

Deno.test("KvsClient passes on why the server hung up", async () => {
  const closed = Promise.withResolvers<void>();
  await using server = script(0, async (conn) => {
    await send(conn, encoder.encode('{"Err":"Too many connections"}\n'));
    assertEquals(await conn.read(new Uint8Array(1)), null);
    closed.resolve();
  });
  using client = await KvsClient.connect(server.addr);
  await within("the client to close its end", closed.promise);
  await assertRejects(
    () => client.get("k"),
    ConnectionError,
    `Connection to ${server.addr} lost: Too many connections`,
  );
});

Deno.test("KvsClient gives up on what is no kvs server", async () => {
  await using server = script(1, async (conn) => {
    await send(conn, encoder.encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await conn.read(new Uint8Array(1));
  });
  using client = await KvsClient.connect(server.addr);
  const error = await assertRejects(
    () => client.get("k"),
    ConnectionError,
    "lost with 1 request unanswered",
  );
  assert(error.cause instanceof SyntaxError);
  assertEquals(
    error.cause.message,
    'Not an answer: "HTTP/1.1 400 Bad Request\\r"',
  );
});

Deno.test("KvsClient refuses an answer of the wrong kind", async () => {
  await using server = script(6, async (conn) => {
    await send(conn, encoder.encode('{"Ok":1}\n'.repeat(6)));
    await conn.read(new Uint8Array(1));
  });
  using client = await KvsClient.connect(server.addr);
  const results = await Promise.allSettled([
    client.get("k"),
    client.set("k", "v"),
    client.remove("k"),
    client.compact(),
    client.snapshot(),
    client.releaseSnapshot(),
  ]);
  assertEquals(
    results.map((result) =>
      result.status === "rejected" && result.reason.message
    ),
    ["Get", "Set", "Remove", "Compact", "Snapshot", "Snapshot"].map((name) =>
      `Unexpected answer to ${name}: {"ok":1}`
    ),
  );
});

Deno.test("KvsClient.close() rejects what is under way", async () => {
  await using server = script(Infinity, async () => {});
  const client = await KvsClient.connect(server.addr);
  const pending = Promise.allSettled([client.get("a"), client.set("b", "")]);
  client.close();
  client.close();
  for (const result of await pending) {
    assert(result.status === "rejected");
    assertEquals(
      result.reason.message,
      `Connection to ${server.addr} closed with 2 requests unanswered`,
    );
  }
  const error = await assertRejects(() => client.get("c"), ConnectionError);
  assertEquals(error.message, `Connection to ${server.addr} closed`);
});

Deno.test("KvsClient closes after the last answer at the end of `await using`", async () => {
  await using server = serve(new MemoryEngine({ isAsync: true }));
  let pending: Promise<unknown>;
  {
    await using client = await KvsClient.connect(server.addr);
    await client.set("k", "v");
    pending = Promise.all([client.get("k"), client.remove("k")]);
  }
  assertEquals(await pending, ["v", true]);
});

Deno.test("KvsClient goes on while the server does not read", async () => {
  const engine = new MemoryEngine();
  const { promise: isReleased, resolve: release } = Promise.withResolvers<
    void
  >();
  await using server = new TestServer(async (conn) => {
    await isReleased;
    const requests = new RequestBuffer();
    const answers = new AnswerBuffer();
    for (;;) {
      const read = await conn.read(requests.space());
      if (read === null) return;
      requests.commit(read);
      await new Executor(engine, monitor).run(requests, answers);
      await send(conn, answers.bytes());
      answers.clear();
    }
  });
  await using client = await KvsClient.connect(server.addr);
  const value = "v".repeat(16 * 1024);
  const sets = Array.from(
    { length: 2_000 },
    (_, i) => client.set(`${i}`, value),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(engine.size, 0);
  release();
  await Promise.all(sets);
  assertEquals(engine.size, 2_000);
});

Deno.test("KvsClient stops waiting for an answer at a signal, and loses no other", async () => {
  const answered = Promise.withResolvers<void>();
  await using server = script(3, async (conn) => {
    await answered.promise;
    await send(conn, encoder.encode('{"Ok":"a"}\n{"Ok":"b"}\n{"Ok":"c"}\n'));
  });
  let others: Promise<unknown>;
  {
    await using client = await KvsClient.connect(server.addr);
    const reason = new RangeError("enough");
    await assertRejects(
      () => client.get("never sent", { signal: AbortSignal.abort(reason) }),
      RangeError,
      "enough",
    );
    const { signal } = new AbortController();
    others = Promise.all([client.get("a"), client.get("b", { signal })]);
    const aborted = client.get("c", { signal: AbortSignal.timeout(10) });
    await assertRejects(() => aborted, DOMException)
      .finally(answered.resolve);
    // The end of the block waits for the answer that nobody wants.
  }
  assertEquals(await others, ["a", "b"]);
});

Deno.test("KvsClient.scan() stops at a signal", async () => {
  await using server = script(1, () => Promise.resolve());
  using client = await KvsClient.connect(server.addr);
  const signal = AbortSignal.abort(new RangeError("enough"));
  for (
    const entries of [client.scan({}, { signal }), client.keys({}, { signal })]
  ) {
    await assertRejects(() => entries.next(), RangeError, "enough");
  }
});

Deno.test("KvsClient.snapshot() and releaseSnapshot() stop at a signal", async () => {
  await using server = script(Infinity, async () => {});
  using client = await KvsClient.connect(server.addr);
  for (const take of [client.snapshot, client.releaseSnapshot]) {
    const controller = new AbortController();
    const taking = take.call(client, { signal: controller.signal });
    controller.abort(new RangeError("enough"));
    await assertRejects(() => taking, RangeError, "enough");
  }
});

Deno.test("KvsClient.connect() says where nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  await assertRejects(
    () => KvsClient.connect(addr),
    ConnectionError,
    `Cannot connect to ${addr}: Connection refused`,
  );
});

Deno.test("KvsClient.connect() refuses addresses and limits that are none", async () => {
  await assertRejects(() => KvsClient.connect("localhost"), TypeError);
  for (const connectTimeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
    await assertRejects(
      () => KvsClient.connect("127.0.0.1:1", { connectTimeoutMs }),
      RangeError,
      `Option connectTimeoutMs must be a whole number of milliseconds from 1 to 2147483647, found ${connectTimeoutMs}`,
    );
  }
});

Deno.test("KvsClient.connect() names the option that is wrong, and its value", async () => {
  const times = "must be a whole number of milliseconds from";
  const cases: [options: unknown, message: string][] = [
    [null, "Option options must be an object, found null"],
    [{ timeoutMs: -1 }, `Option timeoutMs ${times} 0 to 2147483647, found -1`],
    [
      { timeoutMs: 0.5 },
      `Option timeoutMs ${times} 0 to 2147483647, found 0.5`,
    ],
    [
      { timeoutMs: "30s" },
      `Option timeoutMs ${times} 0 to 2147483647, found "30s"`,
    ],
    [{ tls: true }, "Option tls must be an object, found true"],
    [
      { tls: { caCerts: "PEM" } },
      'Option tls.caCerts must be an array of strings, found "PEM"',
    ],
    [
      { tls: { caCerts: [1] } },
      "Option tls.caCerts must be an array of strings, found 1",
    ],
    [
      { signal: {} },
      "Option signal must be an AbortSignal, found an object",
    ],
    // Its value is a secret.
    [{ token: 12_345 }, "Option token must be a string, found number"],
    [{ token: "" }, "A token must not be empty"],
  ];
  for (const [options, message] of cases) {
    const error = await assertRejects(
      // deno-lint-ignore no-explicit-any
      () => KvsClient.connect("127.0.0.1:1", options as any),
    );
    assert(error instanceof TypeError || error instanceof RangeError);
    assertEquals(error.message, message);
  }
});

Deno.test("KvsClient gives a request up of which nothing comes in time", async () => {
  await using server = script(Infinity, async () => {});
  using client = await KvsClient.connect(server.addr, { timeoutMs: 80 });
  const gets = [client.get("a"), client.get("b")];
  const error = await assertRejects(() => gets[0], ConnectionError);
  assertEquals(
    error.message,
    `Connection to ${server.addr} timed out with 2 requests unanswered: no answer within 80 ms`,
  );
  await assertRejects(() => gets[1], ConnectionError, "timed out");
  await assertRejects(() => client.get("c"), ConnectionError, "timed out");
});

Deno.test("KvsClient gives a request up that the server does not read", async () => {
  const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
  await using server = new TestServer(() => given);
  using client = await KvsClient.connect(server.addr, { timeoutMs: 80 });
  await assertRejects(
    () => client.set("k", "v".repeat(16 * 1024 * 1024)),
    ConnectionError,
    "timed out with 1 request unanswered: no answer within 80 ms",
  );
  giveUp();
});

Deno.test("KvsClient.connect() stops at a signal", async () => {
  await using server = serve(new MemoryEngine());
  const reason = new Error("Changed my mind");
  await assertRejects(
    () => KvsClient.connect(server.addr, { signal: AbortSignal.abort(reason) }),
    Error,
    "Changed my mind",
  );
  const controller = new AbortController();
  await using client = await KvsClient.connect(server.addr, {
    signal: controller.signal,
  });
  controller.abort();
  assertEquals(await client.get("k"), undefined);
});

Deno.test({
  name: "KvsClient.connect() gives up after its time limit",
  // Elsewhere a full queue of connections refuses the next, or has no bound.
  ignore: Deno.build.os !== "linux",
  async fn() {
    using listener = Deno.listen({
      hostname: "127.0.0.1",
      port: 0,
      tcpBacklog: 1,
    });
    const { port } = listener.addr;
    const clients: KvsClient[] = [];
    try {
      const error = await assertRejects(async () => {
        for (let i = 0; i < 8; i++) {
          clients.push(
            await KvsClient.connect({ hostname: "127.0.0.1", port }, {
              connectTimeoutMs: 100,
            }),
          );
        }
      }, ConnectionError);
      assertEquals(
        error.message,
        `Cannot connect to 127.0.0.1:${port}: no answer within 100 ms`,
      );
    } finally {
      for (const client of clients) client.close();
    }
  },
});

Deno.test("KvsClient.scan() and keys() go through all pages of a range", async () => {
  const engine = new MemoryEngine({ isAsync: true });
  await using server = serve(engine);
  await using client = await KvsClient.connect(server.addr);
  const names = Array.from({ length: 2_345 }, (_, i) => `k${10_000 + i}`);
  await Promise.all(names.map((name) => client.set(name, `${name} "ü"`)));
  await client.set("other", "");
  const range = { prefix: "k" };
  assertEquals(
    await Array.fromAsync(client.scan(range)),
    names.map((name) => [name, `${name} "ü"`] as const),
  );
  const backwards = [...names].reverse();
  assertEquals(
    await Array.fromAsync(client.keys({ ...range, reverse: true })),
    backwards,
  );
  assertEquals(
    await Array.fromAsync(client.keys({ start: "k12000", limit: 1_500 })),
    [...names.slice(2_000), "other"],
  );
  assertEquals(
    await Array.fromAsync(client.keys({ end: "k12000", limit: 1_500 })),
    names.slice(0, 1_500),
  );
  assertEquals(await Array.fromAsync(client.keys({ limit: 0 })), []);
  assertEquals(await client.scanPage({ start: "o", keys: true }), {
    entries: [["other"]],
    more: false,
  });
});

Deno.test("KvsClient.scan() rejects what is no page", async () => {
  const answers = [
    "null",
    '{"entries":[]}',
    '{"entries":{},"more":true}',
    '{"entries":[[1]],"more":true}',
    '{"entries":[["k",1]],"more":true}',
  ];
  for (const answer of answers) {
    await using server = script(
      1,
      (conn) => send(conn, encoder.encode(`{"Ok":${answer}}\n`)),
    );
    using client = await KvsClient.connect(server.addr);
    await assertRejects(
      () => Array.fromAsync(client.scan()),
      TypeError,
      "Unexpected answer to Scan",
    );
  }
});

Deno.test("KvsClient.stats() tells what the server has done", async () => {
  await using server = serve(new MemoryEngine());
  await using client = await KvsClient.connect(server.addr);
  await client.set("k", "v");
  const { store, operations } = await client.stats();
  assertEquals(store, { engine: "kvs", sync: "no", diskBytes: 0, keys: 1 });
  assert(operations.set >= 1 && operations.stats >= 1);
});

Deno.test("KvsClient.stats() rejects what tells nothing", async () => {
  await using server = script(
    1,
    (conn) => send(conn, encoder.encode('{"Ok":{"version":"1"}}\n')),
  );
  using client = await KvsClient.connect(server.addr);
  await assertRejects(
    () => client.stats(),
    TypeError,
    'Unexpected answer to Stats: {"ok":{"version":"1"}}',
  );
});
