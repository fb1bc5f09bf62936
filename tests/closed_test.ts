/**
 * What clients and servers do once they, or the store, are closed.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionError, KvsClient } from "../client.ts";
import type { EngineName } from "../engine/engine.ts";
import { ClosedError } from "../engine/errors.ts";
import { openEngine } from "../engine/open.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import { KvsServer } from "../server.ts";
import { withEngine } from "./_server.ts";
import { get, oneShot, set } from "./e2e/_tcp.ts";

/** The methods of a class, but for those that end its instances. */
function methodsOf(
  { prototype }: { readonly prototype: object },
  ...ends: string[]
): string[] {
  return Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== "constructor" && !ends.includes(name))
    .toSorted();
}

/** Every method of a client that asks the server for something. */
const ASK: Readonly<Record<string, (client: KvsClient) => Promise<unknown>>> = {
  set: (client) => client.set("k", "v"),
  get: (client) => client.get("k"),
  remove: (client) => client.remove("k"),
  scan: (client) => Array.fromAsync(client.scan()),
  keys: (client) => Array.fromAsync(client.keys({ limit: 0 })),
  scanPage: (client) => client.scanPage({}),
  snapshot: (client) => client.snapshot(),
  releaseSnapshot: (client) => client.releaseSnapshot(),
  compact: (client) => client.compact(),
  stats: (client) => client.stats(),
};

Deno.test("KvsClient rejects every request once it is closed, and says so", () =>
  withEngine(async (engine, start) => {
    assertEquals(Object.keys(ASK).toSorted(), methodsOf(KvsClient, "close"));
    await using server = await start();
    const client = await KvsClient.connect(server.addr);
    await client.set("k", "before");
    const pages = client.scan();
    assertEquals((await pages.next()).value, ["k", "before"]);
    client.close();
    for (let i = 0; i < 2; i++) {
      for (const [name, ask] of Object.entries(ASK)) {
        const error = await assertRejects(() => ask(client), ConnectionError);
        assertEquals(
          error.message,
          `Connection to ${server.addr} closed`,
          name,
        );
      }
      client.close();
      await client[Symbol.asyncDispose]();
    }
    assertEquals(await engine.get("k"), "before");
  }));

Deno.test("KvsServer.stats() rejects once the server was stopped, and says so", () =>
  withEngine(async (engine, start) => {
    assertEquals(methodsOf(KvsServer, "stop"), ["stats"]);
    const server = await start();
    assertEquals((await server.stats()).connections.open, 0);
    const stopping = server.stop();
    for (let i = 0; i < 2; i++) {
      await assertRejects(
        () => server.stats(),
        ClosedError,
        "Server is closed",
      );
      await server.stop();
    }
    await stopping;
    await server.finished;
    // The store is somebody else's to close.
    await engine.set("k", "v");
  }));

/** Those whose instances in other threads know that the store is closed. */
const ENGINES: readonly EngineName[] = ["kvs"];

for (const engineName of ENGINES) {
  for (const pool of POOL_STRATEGIES) {
    Deno.test(`KvsServer answers with errors once its store is closed (${pool}, ${engineName})`, () =>
      withEngine(async (engine, start, dir) => {
        await using server = await start({ pool });
        using client = await KvsClient.connect(server.addr);
        await client.set("k", "before");
        const underWay = Array.from(
          { length: 100 },
          (_, i) => client.set("k", `${i}`).then(() => i, () => -1),
        );
        await engine.close();
        const acknowledged = await Promise.all(underWay);
        // The next owner of the directory, which must not be disturbed.
        await using next = await openEngine(dir);
        const { diskBytes } = await next.stats();
        const kept = await next.get("k");
        // What was acknowledged last, or what came after it.
        const keptAt = kept === "before" ? -1 : Number(kept);
        assert(keptAt >= Math.max(...acknowledged), kept);
        for (
          const request of [
            set("k", "late"),
            get("k"),
            { Remove: { key: "k" } },
            { Scan: {} },
            { Snapshot: {} },
            { Compact: {} },
            { Stats: {} },
          ]
        ) {
          assertEquals(
            await oneShot(server.addr, request),
            '{"Err":"Store is closed"}\n',
            JSON.stringify(request),
          );
        }
        await assertRejects(() => server.stats(), ClosedError);
        assertEquals((await next.stats()).diskBytes, diskBytes);
        assertEquals(await next.get("k"), kept);
        await next.set("k", "next");
        assertEquals(await next.get("k"), "next");
      }, engineName));
  }

  Deno.test(`KvsServer.start() refuses a store that is closed (${engineName})`, () =>
    withEngine(async (engine, start) => {
      await engine.close();
      await assertRejects(() => start(), ClosedError, "Store is closed");
    }, engineName));
}
