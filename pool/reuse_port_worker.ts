/**
 * The entry of a Worker of the pool `reuse-port`.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { EngineHandle, KvsEngine } from "../engine/engine.ts";
import { attachEngine } from "../engine/open.ts";
import type { RequestLimits } from "../protocol/request_buffer.ts";
import { ConnectionSet } from "./connection.ts";

/** What the Worker is told. */
export type ReusePortRequest =
  | {
    readonly kind: "start";
    readonly engine: EngineHandle;
    readonly address: Deno.NetAddr;
    readonly limits: RequestLimits;
  }
  | { readonly kind: "stop" };

/** What the Worker tells. */
export type ReusePortMessage =
  | { readonly kind: "listening"; readonly address: Deno.NetAddr }
  | { readonly kind: "failed"; readonly error: Error }
  | {
    readonly kind: "log";
    readonly level: "warn" | "error";
    readonly message: string;
  }
  | { readonly kind: "stopped" };

let engine: KvsEngine | undefined;
let listener: Deno.TcpListener | undefined;
let connections: ConnectionSet | undefined;

self.onmessage = async ({ data }: MessageEvent<ReusePortRequest>) => {
  try {
    if (data.kind === "start") {
      await start(data);
    } else {
      await stop();
      post({ kind: "stopped" });
      self.close();
    }
  } catch (error) {
    post({ kind: "failed", error: asError(error) });
  }
};

async function start(
  request: Extract<ReusePortRequest, { kind: "start" }>,
): Promise<void> {
  const { hostname, port } = request.address;
  engine = await attachEngine(request.engine);
  listener = Deno.listen({ hostname, port, reusePort: true });
  connections = new ConnectionSet(engine, request.limits, log);
  connections.acceptFrom(listener);
  post({ kind: "listening", address: listener.addr as Deno.NetAddr });
}

async function stop(): Promise<void> {
  listener?.close();
  await connections?.close();
  await engine?.close();
}

function log(level: "warn" | "error", message: string): void {
  post({ kind: "log", level, message });
}

function post(message: ReusePortMessage): void {
  self.postMessage(message);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
