/**
 * Servers in the process of a test.
 *
 * @module
 */

import type { EngineName, KvsEngine } from "../engine/engine.ts";
import { openEngine } from "../engine/open.ts";
import { KvsServer, type KvsServerOptions } from "../server.ts";

const ANY_PORT = "127.0.0.1:0";

/**
 * Runs a body with an open engine and what starts servers of it.
 *
 * @param body Given both, and the data directory.
 * @param name The engine.
 */
export async function withEngine(
  body: (
    engine: KvsEngine,
    start: (options?: KvsServerOptions) => Promise<KvsServer>,
    dir: string,
  ) => Promise<void>,
  name: EngineName = "kvs",
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "kvs_server_" });
  const dir = `${root}/data`;
  const engine = await openEngine(dir, {
    engine: name,
    create: true,
    sync: "no",
  });
  const start = (options: KvsServerOptions = {}) =>
    KvsServer.start(engine, { addr: ANY_PORT, threads: 2, ...options });
  try {
    await body(engine, start, dir);
  } finally {
    await engine.close();
    Deno.removeSync(root, { recursive: true });
  }
}
