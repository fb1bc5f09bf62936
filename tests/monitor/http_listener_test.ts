import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  HttpListener,
  type HttpListenerOptions,
  plain,
} from "../../monitor/http_listener.ts";
import { parseAddr } from "../../addr.ts";

const ANY_PORT = { hostname: "127.0.0.1", port: 0 };

/** Runs a body with a listener, and with what it said that failed. */
async function withListener(
  options: Partial<HttpListenerOptions>,
  body: (listener: HttpListener, errors: readonly string[]) => Promise<void>,
): Promise<void> {
  const errors: string[] = [];
  const listener = new HttpListener(ANY_PORT, {
    answer: ({ method, path }) => plain(200, `${method} ${path}\n`),
    onError: (what, error) => errors.push(`${what}: ${error}`),
    ...options,
  });
  try {
    await body(listener, errors);
  } finally {
    await listener.close();
  }
}

/** Sends pieces of text, and gives all that comes until the end. */
async function exchange(
  { addr }: HttpListener,
  ...pieces: string[]
): Promise<string> {
  using conn = await Deno.connect(parseAddr(addr));
  for (const piece of pieces) {
    await conn.write(new TextEncoder().encode(piece));
    // So that it arrives by itself.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return await readAll(conn);
}

async function readAll(conn: Deno.TcpConn): Promise<string> {
  return await new Response(conn.readable).text();
}

/** Whether a connection was ended from the other side. */
async function hasEnded(conn: Deno.TcpConn): Promise<boolean> {
  try {
    return await conn.read(new Uint8Array(1)) === null;
  } catch {
    return true;
  }
}

Deno.test("HttpListener answers one request a connection", () =>
  withListener({}, async (listener) => {
    const answer = "HTTP/1.1 200 OK\r\n" +
      "content-type: text/plain; charset=utf-8\r\ncontent-length: 7\r\n" +
      "connection: close\r\n\r\n";
    assertEquals(
      await exchange(listener, "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"),
      `${answer}GET /a\n`,
    );
    assertEquals(
      await exchange(listener, "GET", " http://x/a HTTP/1.0\r", "\n\r\n"),
      `${answer}GET /a\n`,
    );
    const head = await exchange(listener, "HEAD / HTTP/1.1\n\n");
    assertStringIncludes(head, "content-length: 7\r\n");
    assert(head.endsWith("\r\n\r\n"));
    // What follows is no second request.
    const twice = "GET / HTTP/1.1\r\n\r\n".repeat(2);
    assertEquals((await exchange(listener, twice)).match(/HTTP/g)?.length, 1);
  }));

Deno.test("HttpListener says what is wrong with a request", () =>
  withListener({}, async (listener) => {
    const status = async (...pieces: string[]) =>
      (await exchange(listener, ...pieces)).split(" ")[1];
    assertEquals(await status('{"Get":{"key":"k"}}\n\n'), "400");
    assertEquals(await status("GET  / HTTP/1.1\r\n\r\n"), "400");
    assertEquals(await status("GET http:// HTTP/1.1\r\n\r\n"), "400");
    const long = `GET / HTTP/1.1\r\nA: ${"a".repeat(9_000)}`;
    assertEquals(await status(long), "431");
  }));

Deno.test("HttpListener tells of an answer that failed, and serves on", async () => {
  let isFailing = true;
  await withListener({
    answer: () => {
      if (isFailing) throw new Error("No answer");
      return plain(200, "Here\n");
    },
  }, async (listener, errors) => {
    const request = "GET / HTTP/1.1\r\n\r\n";
    const failed = await exchange(listener, request);
    assertStringIncludes(failed, "500 Internal Server Error");
    assert(!failed.includes("No answer"));
    assertEquals(errors, ["Cannot collect metrics: Error: No answer"]);
    isFailing = false;
    assertStringIncludes(await exchange(listener, request), "Here");
  });
});

Deno.test("HttpListener ends the oldest connection for one too many", () =>
  withListener(
    { maxConnections: 2, timeoutMs: 3_600_000 },
    async (listener) => {
      const connect = () => Deno.connect(parseAddr(listener.addr));
      const silent = [await connect(), await connect()];
      // It is accepted while two others are there.
      const request = "GET / HTTP/1.1\r\n\r\n";
      assertStringIncludes(await exchange(listener, request), "200 OK");
      assert(await hasEnded(silent[0]));
      // The second is there, and is served once it asks.
      await silent[1].write(new TextEncoder().encode(request));
      assertStringIncludes(await readAll(silent[1]), "200 OK");
      silent[0].close();
    },
  ));

Deno.test("HttpListener ends a connection that lasts too long", () =>
  withListener({ timeoutMs: 50 }, async (listener) => {
    // One that sends nothing, and one that does not stop sending.
    using silent = await Deno.connect(parseAddr(listener.addr));
    using slow = await Deno.connect(parseAddr(listener.addr));
    const dripping = setInterval(
      () => slow.write(new Uint8Array([65])).catch(() => {}),
      5,
    );
    try {
      assert(await hasEnded(silent));
      assert(await hasEnded(slow));
    } finally {
      clearInterval(dripping);
    }
  }));
