import { assert, assertEquals } from "@std/assert";
import { until } from "./_deadline.ts";
import { KvsClient } from "../client.ts";
import { ENGINE_NAMES } from "../engine/directory.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import { withEngine } from "./_server.ts";
import { VERSION } from "../version.ts";
import { oneShot } from "./e2e/_tcp.ts";

for (const pool of POOL_STRATEGIES) {
  for (const engineName of ENGINE_NAMES) {
    Deno.test(`KvsServer.stats() tells what clients hear too (${pool}, ${engineName})`, () =>
      withEngine(async (_engine, start) => {
        await using server = await start({ pool });
        // A Worker for each batch takes its time.
        const count = pool === "naive" ? 2 : 4;
        const clients = await Promise.all(
          Array.from({ length: count }, () => KvsClient.connect(server.addr)),
        );
        for (const [i, client] of clients.entries()) {
          await client.set(`${i}`, "v".repeat(100));
          await client.get(`${i}`);
          await client.get("nobody");
          await client.remove("nobody");
        }
        const [client] = clients;
        await client.set("0", "w");
        await client.remove("1");
        await client.scanPage({});
        await client.compact();
        await oneShot(server.addr, "nonsense");
        await oneShot(server.addr, { Get: { key: 1 } });
        const heard = await client.stats();
        clients.forEach((client) => client.close());

        assertEquals(heard.version, VERSION);
        assertEquals([heard.pool, heard.threads], [pool, 2]);
        assertEquals(
          [heard.store.engine, heard.store.sync],
          [engineName, "no"],
        );
        assert(heard.uptimeMs >= 0 && heard.uptimeMs < 60_000);
        assert(heard.memory.rssBytes > 2 ** 20);
        assertEquals(heard.memory.bufferBytes, 0);
        assertEquals(heard.operations, {
          get: 2 * count,
          set: count + 1,
          remove: count + 1,
          scan: 1,
          snapshot: 0,
          compact: 1,
          stats: 1,
          auth: 0,
          invalid: 2,
        });
        assertEquals([heard.errors, heard.denied], [2, 0]);
        assertEquals(heard.connections.total, count + 2);
        // That a one-shot client has gone may be counted a moment later.
        assert(
          heard.connections.open >= count,
          `${heard.connections.open} open`,
        );
        assertEquals(heard.connections.refused, 0);
        for (
          const { p50Us, p90Us, p99Us, p999Us, maxUs } of [
            heard.latency.get,
            heard.latency.set,
          ]
        ) {
          const inOrder = [p50Us, p90Us, p99Us, p999Us, maxUs];
          assert(p50Us > 0);
          assertEquals(inOrder, inOrder.toSorted((a, b) => a - b));
        }
        assert(heard.store.diskBytes > 0);
        if (engineName === "kvs") assertEquals(heard.store.keys, count - 1);

        const own = await server.stats();
        assertEquals(own.operations, heard.operations);
        assertEquals(own.store.engine, engineName);
      }, engineName));
  }
}

Deno.test("KvsServer.stats() counts connections that are one too many, and those that go", () =>
  withEngine(async (_engine, start) => {
    await using server = await start({
      pool: "shared-queue",
      limits: { maxConnections: 1 },
    });
    const client = await KvsClient.connect(server.addr);
    await client.get("a");
    assertEquals(
      await oneShot(server.addr, ""),
      '{"Err":"Too many connections, the limit is 1 (--max-connections)"}\n',
    );
    assertEquals((await server.stats()).connections, {
      open: 1,
      total: 1,
      refused: 1,
    });
    client.close();
    await until(
      "the connection to be gone",
      async () => (await server.stats()).connections.open === 0,
    );
  }));

for (const pool of ["reuse-port", "work-stealing"] as const) {
  Deno.test(`KvsServer tells nothing of itself without the token (${pool})`, () =>
    withEngine(async (_engine, start) => {
      await using server = await start({ pool, token: "sesame" });
      const refusal = await oneShot(server.addr, { Stats: {} });
      assert(refusal.startsWith('{"Err":"Authentication required'), refusal);
      await oneShot(server.addr, { Auth: { token: "Sesame" } });
      await using client = await KvsClient.connect(server.addr, {
        token: "sesame",
      });
      const { denied, errors, operations } = await client.stats();
      assertEquals([denied, errors, operations.auth], [2, 0, 1]);
      assertEquals(operations.stats, 1);
    }));
}
