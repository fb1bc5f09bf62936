import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { within } from "./_deadline.ts";
import { KvsClient } from "../client.ts";
import { ENGINE_NAMES } from "../engine/directory.ts";
import { POOL_STRATEGIES } from "../pool/pool.ts";
import { withEngine } from "./_server.ts";
import { parseExposition } from "./monitor/_exposition_parser.ts";

const ANY_PORT = "127.0.0.1:0";

for (const pool of POOL_STRATEGIES) {
  for (const engineName of ENGINE_NAMES) {
    Deno.test(`KvsServer serves metrics (${pool}, ${engineName})`, () =>
      withEngine(async (_engine, start) => {
        await using server = await start({ pool, metrics: ANY_PORT });
        const client = await KvsClient.connect(server.addr);
        await client.set("a secret key", "a secret value");
        await client.get("a secret key");
        client.close();
        const response = await fetch(`http://${server.metricsAddr}/metrics`);
        assertEquals(response.status, 200);
        assertEquals(
          response.headers.get("content-type"),
          "text/plain; version=0.0.4; charset=utf-8",
        );
        const text = await response.text();
        assert(!text.includes("secret"));
        const metrics = parseExposition(text);
        const { samples } = metrics.get("kvs_requests_total")!;
        assertEquals(samples.get('kvs_requests_total{kind="set"}'), 1);
        assertEquals(metrics.has("kvs_keys"), engineName === "kvs");
        const info =
          `{version="[^"]+",engine="${engineName}",sync="no",pool="${pool}"}`;
        assert(new RegExp(`^kvs_info${info} 1$`, "m").test(text), text);
      }, engineName));
  }
}

Deno.test("KvsServer serves metrics to whoever asks, and nothing else", () =>
  withEngine(async (_engine, start) => {
    await using server = await start({ token: "sesame", metrics: ANY_PORT });
    const page = `http://${server.metricsAddr}/metrics`;
    const ask = async (url: string, method: string) => {
      const response = await fetch(url, { method });
      const text = await response.text();
      assert(!text.includes("sesame"));
      return [response.status, text.length > 0];
    };
    assertEquals(await ask(page, "GET"), [200, true]);
    assertEquals(await ask(page, "HEAD"), [200, false]);
    assertEquals(await ask(page, "POST"), [405, true]);
    assertEquals(await ask(`http://${server.metricsAddr}/`, "GET"), [
      404,
      true,
    ]);
  }));

Deno.test("KvsServer says everywhere that its store refuses writes", () =>
  withEngine(async (engine, start) => {
    const sound = await engine.stats();
    const writesRefused = "The disk failed to keep a write";
    engine.stats = () => ({ ...sound, writesRefused });
    const log: string[] = [];
    await using server = await start({
      metrics: ANY_PORT,
      log: (level, message) => log.push(`${level} ${message}`),
    });
    const page = await fetch(`http://${server.metricsAddr}/metrics`);
    assertStringIncludes(await page.text(), "\nkvs_writes_refused 1\n");
    assertEquals((await server.stats()).store.writesRefused, writesRefused);
    assertEquals(log, [`error Writes are refused: ${writesRefused}`]);
  }));

Deno.test("KvsServer does not start where it can't serve metrics", () =>
  withEngine(async (_engine, start) => {
    await using first = await start({ metrics: ANY_PORT });
    const { addr, metricsAddr } = first;
    await assertRejects(
      () => start({ metrics: metricsAddr }),
      Error,
      `Cannot listen on ${metricsAddr}: address already in use`,
    );
    await assertRejects(
      () => start({ addr, metrics: ANY_PORT }),
      Error,
      `Cannot listen on ${addr}: address already in use`,
    );
    await assertRejects(() => start({ metrics: "nowhere" }), TypeError);
  }));

Deno.test("KvsServer.stop() does not wait for who reads metrics", () =>
  withEngine(async (_engine, start) => {
    const server = await start({ metrics: ANY_PORT });
    const [hostname, port] = server.metricsAddr!.split(":");
    using silent = await Deno.connect({ hostname, port: Number(port) });
    await silent.write(new TextEncoder().encode("GET /metr"));
    // Leaves its connection open, for the next time.
    await (await fetch(`http://${server.metricsAddr}/metrics`)).text();
    await within("the stop of the server", server.stop());
    await using again = await start();
    assertEquals(again.metricsAddr, undefined);
  }));
