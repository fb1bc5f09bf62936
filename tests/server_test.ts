import { assert, assertEquals, assertRejects } from "@std/assert";
import { KvsClient } from "../client.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import type { KvsServer } from "../server.ts";
import { withEngine } from "./_server.ts";

Deno.test("KvsServer.start() refuses a port that is in use, whoever uses it", () =>
  withEngine(async (_engine, start) => {
    await using server = await start();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    for (const addr of [server.addr, `127.0.0.1:${listener.addr.port}`]) {
      const error = await assertRejects(() => start({ addr }), Error);
      assertEquals(
        error.message,
        `Cannot listen on ${addr}: address already in use`,
      );
    }
    listener.close();
    using client = await KvsClient.connect(server.addr);
    await client.set("still", "served");
  }));

Deno.test("KvsServer.start() refuses options that make no sense", () =>
  withEngine(async (_engine, start) => {
    for (const threads of [0, 129, 1.5, NaN]) {
      await assertRejects(
        () => start({ threads }),
        RangeError,
        `Number of threads must be from 1 to 128, found ${threads}`,
      );
    }
    await assertRejects(() => start({ addr: "localhost" }), TypeError);
    const untyped = start as (options: unknown) => Promise<KvsServer>;
    for (
      const [option, value, type] of [
        ["addr", 4000, "string"],
        ["pool", 1, "string"],
        ["metrics", true, "string"],
        ["limits", 10, "object"],
        ["tls", null, "object"],
        ["signal", "SIGINT", "object"],
        ["log", "text", "function"],
      ]
    ) {
      await assertRejects(
        () => untyped({ [`${option}`]: value }),
        TypeError,
        `Option ${option} must be of type ${type}, found ${value}`,
      );
    }
    const error = await assertRejects(
      () => untyped({ token: ["sesame"] }),
      TypeError,
      "Option token must be of type string, found object",
    );
    assert(!error.message.includes("sesame"));
    await assertRejects(
      () => untyped({ pool: "rayon" }),
      TypeError,
      'Unknown pool "rayon"; expected one of reuse-port, shared-queue',
    );
    for (const maxConnections of [0, 1.5, "10"]) {
      await assertRejects(
        () => untyped({ limits: { maxConnections } }),
        RangeError,
        `Cannot limit maxConnections to ${maxConnections}: expected`,
      );
    }
  }));

Deno.test("KvsServer.stop() may be repeated, and the port is free then", () =>
  withEngine(async (_engine, start) => {
    const { addr } = await stopped(await start());
    await stopped(await start({ addr }));
  }));

async function stopped(server: KvsServer): Promise<KvsServer> {
  await server.stop();
  await server.stop();
  return server;
}

for (const pool of POOL_STRATEGIES) {
  Deno.test(`KvsServer.stop() answers what it has read, and nothing is answered that was not done (${pool})`, () =>
    withEngine(async (engine, start) => {
      await using server = await start({ pool });
      using client = await KvsClient.connect(server.addr);
      await client.set("first", "1");
      let answered = 0;
      const sets = Array.from(
        { length: 20_000 },
        (_, i) =>
          client.set(`k${i}`, `${i}`).then(() => {
            answered++;
          }),
      );
      const all = Promise.allSettled(sets);
      await sets[0];
      await server.stop();
      await all;
      assert(answered > 0);
      for (let i = 0; i < answered; i++) {
        assertEquals(await engine.get(`k${i}`), `${i}`);
      }
    }));
}

Deno.test("KvsServer answers that an engine failed, and goes on", () =>
  withEngine(async (_engine, start, dir) => {
    await using server = await start();
    using client = await KvsClient.connect(server.addr);
    await client.set("lost", "x".repeat(100_000));
    for (const { name } of Deno.readDirSync(dir)) {
      if (name.endsWith(".log")) Deno.truncateSync(`${dir}/${name}`, 20);
    }
    await assertRejects(() => client.get("lost"), Error);
    assertEquals(await client.get("missing"), undefined);
  }));

Deno.test("KvsServer.start() stops at a signal, after what it has received", () =>
  withEngine(async (_engine, start) => {
    const reason = new RangeError("enough");
    await assertRejects(
      () => start({ signal: AbortSignal.abort(reason) }),
      RangeError,
      "enough",
    );
    const controller = new AbortController();
    const { signal } = controller;
    // While the Workers start.
    const starting = start({ signal });
    controller.abort(reason);
    await assertRejects(() => starting, RangeError, "enough");

    const later = new AbortController();
    const server = await start({ signal: later.signal });
    using client = await KvsClient.connect(server.addr);
    const set = client.set("k", "v");
    let isFinished = false;
    const finished = server.finished.then(() => isFinished = true);
    await set;
    assertEquals(isFinished, false);
    later.abort();
    await finished;
    await assertRejects(() => KvsClient.connect(server.addr));
    await server.stop();
  }));
