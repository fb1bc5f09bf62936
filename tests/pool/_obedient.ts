/**
 * A pool `reuse-port` whose Workers start, fail and die when they are told to.
 *
 * @module
 */

import type { EngineHandle } from "../../engine/engine.ts";
import { openEngine } from "../../engine/open.ts";
import { shareMonitor } from "../../monitor/monitor.ts";
import { ReusePortPool } from "../../pool/reuse_port.ts";

/** What a Worker is told, in a word by its number. */
export const ORDERS = { wait: 0, start: 1, fail: 2, die: 3 } as const;

/** What an obedient Worker needs besides the engine's own handle. */
export interface ObedientHandle extends EngineHandle {
  readonly orders: Int32Array<SharedArrayBuffer>;
}

/** What a body gets to work with. */
export interface ObedientKit {
  readonly pool: ReusePortPool;
  /** Where it is to listen. */
  readonly address: Deno.NetAddr & { readonly transport: "tcp" };
  readonly dir: string;
  /** What the Workers count in; the last row is nobody's. */
  readonly gauges: SharedArrayBuffer;
  get(key: string): Promise<string | undefined>;
  /** Tells a Worker what to do from now on. */
  order(worker: number, what: keyof typeof ORDERS): void;
}

/**
 * Runs a body with a pool, which is closed after it.
 *
 * @param threads How many Workers there are; they wait at first.
 * @param body What to run.
 */
export async function withObedientPool(
  threads: number,
  body: (kit: ObedientKit) => Promise<void>,
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "kvs_obedient_" });
  const dir = `${root}/data`;
  const engine = await openEngine(dir, { create: true, sync: "no" });
  const orders = new Int32Array(new SharedArrayBuffer(threads * 4));
  const handle: ObedientHandle = { ...engine.share(), orders };
  const monitor = shareMonitor("reuse-port", threads + 1);
  const pool = new ReusePortPool({
    engine: handle,
    threads,
    limits: {},
    acceptAhead: 64,
    access: {},
    monitor,
    log: () => {},
  }, new URL("./_obedient_worker.ts", import.meta.url));
  try {
    await body({
      pool,
      address: { transport: "tcp", hostname: "127.0.0.1", port: freePort() },
      dir: Deno.realPathSync(dir),
      gauges: monitor.gauges,
      get: async (key) => await engine.get(key),
      order: (worker, what) => {
        Atomics.store(orders, worker, ORDERS[what]);
        Atomics.notify(orders, worker);
      },
    });
  } finally {
    for (let i = 0; i < threads; i++) {
      Atomics.compareExchange(orders, i, ORDERS.wait, ORDERS.start);
      Atomics.notify(orders, i);
    }
    await pool.close(10_000);
    await engine.close();
    Deno.removeSync(root, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
