import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionError, KvsClient, KvsError } from "../client.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import { makeCertificate } from "./_certificate.ts";
import { withEngine } from "./_server.ts";
import { connect, get, lines, receive, send, set } from "./e2e/_tcp.ts";

const TOKEN = 'sësame "\\🦕';
const OK = '{"Ok":null}\n';
const REQUIRED =
  '{"Err":"Authentication required: send {\\"Auth\\":{\\"token\\":\\"…\\"}} before anything else"}\n';

for (const pool of POOL_STRATEGIES) {
  Deno.test(`KvsServer.start() with a token serves who shows it (${pool})`, () =>
    withEngine(async (engine, start) => {
      await using server = await start({ pool, token: TOKEN });
      await assertRejects(
        () => KvsClient.connect(server.addr, { token: "sesame" }),
        ConnectionError,
        "Authentication failed: wrong token",
      );
      using stranger = await KvsClient.connect(server.addr);
      for (
        const request of [
          () => stranger.set("k", "stranger's"),
          () => stranger.get("k"),
          () => stranger.remove("k"),
          () => stranger.compact(),
        ]
      ) {
        await assertRejects(request, KvsError, "Authentication required");
      }
      using client = await KvsClient.connect(server.addr, { token: TOKEN });
      assertEquals(await client.get("k"), undefined);
      await client.set("k", "v");
      assertEquals(await engine.get("k"), "v");
      // Being let in is a matter of one connection.
      await assertRejects(() => stranger.get("k"), KvsError);
    }));

  Deno.test(`KvsServer answers what is sent along with the token (${pool})`, () =>
    withEngine(async (_engine, start) => {
      await using server = await start({ pool, token: TOKEN });
      using conn = await connect(server.addr);
      const COUNT = 20_000;
      const requests = Array.from({ length: COUNT }, (_, i) => get(`k${i}`));
      const text = lines(
        set("k1", "stranger's"),
        { Auth: { token: TOKEN } },
        set("k2", "v"),
        ...requests,
      );
      const [answers] = await Promise.all([
        receive(conn, COUNT + 3),
        send(conn, text),
      ]);
      assertEquals(
        answers,
        `${REQUIRED}${OK}${OK}${OK}${OK}{"Ok":"v"}\n${OK.repeat(COUNT - 3)}`,
      );
    }));
}

// One pool of each kind of listener.
for (const pool of ["reuse-port", "shared-queue"] as const) {
  Deno.test(`KvsServer.start() speaks TLS (${pool})`, () =>
    withEngine(async (_engine, start, dir) => {
      const { cert, key } = await makeCertificate(dir);
      await using server = await start({
        pool,
        tls: { cert, key },
        token: TOKEN,
      });
      const options = { token: TOKEN, tls: { caCerts: [cert] } };
      const clients = await Promise.all(
        Array.from(
          { length: 6 },
          () => KvsClient.connect(server.addr, options),
        ),
      );
      const value = "🦕".repeat(300_000);
      await clients[0].set("k", value);
      for (const client of clients) {
        assertEquals(await client.get("k"), value);
        await client[Symbol.asyncDispose]();
      }
    }));
}

Deno.test("KvsServer with TLS is not disturbed by who does not trust or speak it", () =>
  withEngine(async (_engine, start, dir) => {
    const { cert, key } = await makeCertificate(dir);
    const log: string[] = [];
    await using server = await start({
      tls: { cert, key },
      log: (level, message) => log.push(`${level}: ${message}`),
    });
    await assertRejects(
      () => KvsClient.connect(server.addr, { tls: {} }),
      ConnectionError,
      `Cannot connect to ${server.addr}: invalid peer certificate`,
    );
    using plain = await KvsClient.connect(server.addr);
    await assertRejects(() => plain.get("k"), ConnectionError);
    using silent = await connect(server.addr);
    using client = await KvsClient.connect(server.addr, {
      tls: { caCerts: [cert] },
    });
    await client.set("k", "v");
    silent.close();
    assertEquals(log, []);
  }));

Deno.test("KvsClient.connect() gives up on a server that does not speak TLS", () =>
  withEngine(async (_engine, start) => {
    await using server = await start();
    // Which waits for the end of what it takes for a request.
    const error = await assertRejects(
      () => KvsClient.connect(server.addr, { tls: {}, connectTimeoutMs: 300 }),
      ConnectionError,
    );
    assert(error.message.startsWith(`Cannot connect to ${server.addr}: `));
  }));

for (const pool of ["reuse-port", "shared-queue"] as const) {
  Deno.test(`KvsClient says so if only one end speaks TLS (${pool})`, () =>
    withEngine(async (engine, start, dir) => {
      const { cert, key } = await makeCertificate(dir);
      for (const token of [undefined, TOKEN]) {
        await using plain = await start({ pool, token });
        const refused = await assertRejects(
          () => KvsClient.connect(plain.addr, { token, tls: {} }),
          ConnectionError,
        );
        assertEquals(
          refused.message,
          `Cannot connect to ${plain.addr}: the server does not speak TLS`,
        );
      }
      await using server = await start({ pool, tls: { cert, key } });
      const speaks = "the server speaks TLS, this client does not";
      const { message } = await assertRejects(
        () => KvsClient.connect(server.addr, { token: TOKEN }),
        ConnectionError,
      );
      assertEquals(message, `Cannot connect to ${server.addr}: ${speaks}`);
      using client = await KvsClient.connect(server.addr);
      for (const value of ["v", "x".repeat(1_000_000)]) {
        const lost = await assertRejects(
          () => client.set("k", value),
          ConnectionError,
        );
        assertEquals(
          lost.message,
          `Cannot talk to ${server.addr}: ${speaks}`,
        );
      }
      assertEquals(await engine.get("k"), undefined);
    }));
}

Deno.test("KvsClient.connect() refuses certificates that are none", () =>
  withEngine(async (_engine, start, dir) => {
    const { cert, key } = await makeCertificate(dir);
    await using server = await start({ tls: { cert, key } });
    for (const none of ["", "none", key]) {
      const error = await assertRejects(
        () =>
          KvsClient.connect(server.addr, { tls: { caCerts: [cert, none] } }),
        TypeError,
      );
      assertEquals(error.message, "No certificate in caCerts[1]");
    }
  }));

Deno.test("KvsServer.start() refuses a certificate or key that is none", () =>
  withEngine(async (_engine, start, dir) => {
    const { cert, key } = await makeCertificate(dir);
    const secret = "c2VjcmV0";
    const broken =
      `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`;
    for (
      const tls of [
        { cert: "none", key },
        { cert, key: secret },
        { cert, key: broken },
      ]
    ) {
      const { message } = await assertRejects(() => start({ tls }), Error);
      assert(message.startsWith("Cannot listen on 127.0.0.1:0: "), message);
      assertEquals(message.includes(secret), false);
    }
  }));

Deno.test("KvsServer.start() refuses to be in others' reach without a token", () =>
  withEngine(async (_engine, start) => {
    for (const addr of ["0.0.0.0:0", "[::]:0"]) {
      await assertRejects(
        () => start({ addr }),
        Error,
        `Cannot listen on ${addr} without a token`,
      );
    }
    await using server = await start({ addr: "0.0.0.0:0", token: TOKEN });
    const addr = server.addr.replace("0.0.0.0", "127.0.0.1");
    using client = await KvsClient.connect(addr, { token: TOKEN });
    await client.set("k", "v");
  }));

Deno.test("KvsServer and KvsClient refuse a token that is none", () =>
  withEngine(async (_engine, start) => {
    await assertRejects(() => start({ token: "" }), RangeError);
    await using server = await start();
    for (const token of ["", "a\nb"]) {
      await assertRejects(
        () => KvsClient.connect(server.addr, { token }),
        RangeError,
      );
    }
    // A server that asks for none takes any.
    using client = await KvsClient.connect(server.addr, { token: TOKEN });
    await client.set("k", "v");
  }));
