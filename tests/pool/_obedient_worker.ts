/**
 * A Worker of the pool `reuse-port` that starts, fails and dies on demand.
 *
 * @module
 */

import "../../pool/reuse_port_worker.ts";
import type { ReusePortRequest } from "../../pool/reuse_port_worker.ts";
import { workerScope } from "../../engine/worker_scope.ts";
import type { WorkerMessage } from "../../pool/worker_set.ts";
import { type ObedientHandle, ORDERS } from "./_obedient.ts";

const scope = workerScope<ReusePortRequest, WorkerMessage>();
const { onmessage } = scope;

scope.onmessage = async (event) => {
  if (event.data.kind === "start") {
    const { worker, engine } = event.data;
    const { orders } = engine as ObedientHandle;
    await Atomics.waitAsync(orders, worker, ORDERS.wait).value;
    if (orders[worker] === ORDERS.fail) {
      const error = new Error(`Worker ${worker} was told to fail`);
      return scope.postMessage({ kind: "failed", error });
    }
    dieOnDemand(orders, worker);
  }
  return onmessage?.call(globalThis as never, event);
};

async function dieOnDemand(orders: Int32Array, worker: number): Promise<void> {
  await Atomics.waitAsync(orders, worker, ORDERS.start).value;
  if (orders[worker] !== ORDERS.die) return;
  // Who takes the number is to wait.
  Atomics.store(orders, worker, ORDERS.wait);
  throw new Error(`Worker ${worker} was told to die`);
}
