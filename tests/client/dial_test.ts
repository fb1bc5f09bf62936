import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionError } from "../../client/errors.ts";
import { probe } from "../../client/dial.ts";

/** Runs a body beside a server that does something with its only client. */
async function withServer(
  serve: (conn: Deno.TcpConn) => Promise<void>,
  body: (port: number) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = listener.accept().then(async (conn) => {
    using _closed = conn;
    await serve(conn);
  });
  await body(listener.addr.port);
  await served;
}

function probePort(
  port: number,
  { token, timeoutMs = 30_000 }: { token?: string; timeoutMs?: number } = {},
): Promise<void> {
  return probe({ hostname: "127.0.0.1", port }, { timeoutMs }, token);
}

async function readLine(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(1024);
  const read = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, read ?? 0));
}

Deno.test("probe() takes any answer for a sign of life", async () => {
  for (
    const [token, request] of [
      [undefined, '{"Get":{"key":""}}\n'],
      ["secret", '{"Auth":{"token":"secret"}}\n'],
    ] as const
  ) {
    let asked = "";
    await withServer(async (conn) => {
      asked = await readLine(conn);
      await conn.write(new TextEncoder().encode('{"Err":"Too many"}\n'));
    }, (port) => probePort(port, { token }));
    assertEquals(asked, request);
  }
});

Deno.test("probe() fails without an answer", async () => {
  await withServer(async (conn) => {
    await readLine(conn);
  }, async (port) => {
    await assertRejects(() => probePort(port), ConnectionError, "no answer");
  });
  const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
  await withServer(() => given, async (port) => {
    await assertRejects(
      () => probePort(port, { timeoutMs: 80 }),
      ConnectionError,
      "no answer within 80 ms",
    );
    giveUp();
  });
});
