import { ENGINE_NAMES } from "../../engine/directory.ts";
import type { KvsEngine } from "../../engine/engine.ts";
import { type EngineOptions, openEngine } from "../../engine/open.ts";

/**
 * Runs a test with each engine, in a directory of its own.
 *
 * @param name The test's name, without the engine's.
 * @param kvs How to open a store of engine kvs.
 * @param body The test.
 */
export function testEngines(
  name: string,
  kvs: EngineOptions["kvs"],
  body: (engine: KvsEngine) => Promise<void>,
): void {
  for (const engine of ENGINE_NAMES) {
    Deno.test(`${name} (${engine})`, async () => {
      const path = Deno.makeTempDirSync({ prefix: "kvs_engine_" });
      const store = await openEngine(path, {
        engine,
        create: true,
        sync: "no",
        kvs,
      });
      try {
        await body(store);
      } finally {
        await store.close();
        Deno.removeSync(path, { recursive: true });
      }
    });
  }
}
