/**
 * The entry of a Worker of the pool `reuse-port`.
 *
 * @module
 */

import { asError } from "../engine/errors.ts";
import type { EngineHandle, KvsEngine } from "../engine/engine.ts";
import { attachEngine, openSnapshot } from "../engine/open.ts";
import { workerScope } from "../engine/worker_scope.ts";
import type { LogLevel } from "../monitor/log.ts";
import { Monitor, type MonitorHandle } from "../monitor/monitor.ts";
import { allLimits, type ServerLimits } from "../net/limits.ts";
import { Limiter } from "../net/limiter.ts";
import { Gauges } from "../monitor/gauges.ts";
import { gated } from "../net/auth.ts";
import { ConnectionSet } from "../net/connection_set.ts";
import { Executor, LocalHandler } from "../net/executor.ts";
import { type Access, listen, listenNatively } from "../net/listen.ts";
import type { SocketLoop } from "../net/native/socket_loop.ts";
import { ConnectionSnapshot, Snapshots } from "../net/snapshots.ts";
import type { TransportListener } from "../net/transport.ts";
import type { WorkerMessage } from "./worker_set.ts";

/** A message to the Worker. */
export type ReusePortRequest =
  | StartRequest
  | { readonly kind: "accept" }
  | { readonly kind: "stop" };

interface StartRequest {
  readonly kind: "start";
  readonly engine: EngineHandle;
  readonly address: Deno.NetAddr;
  readonly limits: ServerLimits;
  readonly acceptAhead: number;
  readonly access: Access;
  readonly monitor: MonitorHandle;
  /** This Worker's number, from 0. */
  readonly worker: number;
  /** See {@linkcode Descriptors}. */
  readonly descriptors: Int32Array<SharedArrayBuffer>;
  /** Whether it may accept at once; else it is told when all Workers listen. */
  readonly accepts: boolean;
}

/** How long connections get to finish when the server stops, in ms. */
const GRACE_MS = 2_000;

const worker = workerScope<ReusePortRequest, WorkerMessage>();

let engine: KvsEngine | undefined;
let listener: TransportListener | undefined;
let loop: SocketLoop | undefined;
let looping: Promise<void> | undefined;
let connections: ConnectionSet | undefined;
let snapshots: Snapshots | undefined;
let starting: Promise<void> | undefined;
let accepting: Promise<void> | undefined;
let stopping: Promise<void> | undefined;

worker.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") {
      starting = start(data);
      await starting;
      worker.postMessage({ kind: "ready" });
      // Until it accepts, connections wait in the system's queue.
      if (data.accepts) accept();
    } else if (data.kind === "accept") {
      await Promise.allSettled([starting]);
      accept();
    } else {
      // A start that failed was reported.
      await Promise.allSettled([starting]);
      await (stopping ??= stop());
      worker.postMessage({ kind: "stopped" });
      worker.close();
    }
  } catch (error) {
    worker.postMessage({ kind: "failed", error: asError(error) });
  }
};

async function start(request: StartRequest): Promise<void> {
  try {
    await prepare(request);
  } catch (error) {
    await (stopping ??= stop());
    throw error;
  }
}

async function prepare(request: StartRequest): Promise<void> {
  engine = await attachEngine(request.engine, reportFailure);
  listener = open(request);
  const monitor = new Monitor(request.monitor, request.worker);
  const executor = new Executor(engine, monitor, { joinsWrites: true });
  const gauges = new Gauges(request.monitor.gauges, request.worker);
  const ofConnections = snapshots = new Snapshots(
    gauges,
    (signal) => openSnapshot(request.engine, { signal }),
  );
  connections = new ConnectionSet(
    gated({
      makeHandler: () =>
        new LocalHandler(executor, new ConnectionSnapshot(ofConnections)),
      tokenHash: request.access.tokenHash,
      limits: request.limits,
      counters: monitor.counters,
    }),
    log,
    new Limiter(
      allLimits(request.limits),
      gauges,
      monitor.counters,
    ),
  );
}

function accept(): void {
  if (stopping !== undefined || listener === undefined) return;
  if (accepting !== undefined) return;
  accepting = connections?.acceptFrom(listener);
  looping = loop?.run();
}

function open(request: StartRequest): TransportListener {
  const { address, access } = request;
  const native = listenNatively(request, access);
  if (native !== undefined) {
    loop = native.loop;
    return native.listener;
  }
  const { hostname, port } = address;
  return listen({ hostname, port, reusePort: true }, access);
}

async function stop(): Promise<void> {
  listener?.close();
  // Only when no accept holds it any more is the port free for others.
  await accepting;
  await connections?.close(GRACE_MS);
  await snapshots?.close();
  loop?.stop();
  await (looping ?? loop?.run());
  // Cuts a compaction short, should one be running.
  await engine?.close();
}

function log(level: LogLevel, message: string): void {
  worker.postMessage({ kind: "log", level, message });
}

function reportFailure(error: Error): void {
  log("error", error.message);
}
