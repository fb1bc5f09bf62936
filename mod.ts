/**
 * A log-structured key-value store: embedded, as a server, and its client.
 *
 * @example The store in this process
 * ```ts no-eval
 * import { KvStore } from "@kvs/kvs";
 *
 * await using store = KvStore.open("./data");
 * await store.set("greeting", "hello");
 * console.log(store.get("greeting")); // hello
 * ```
 *
 * @example The store behind a server
 * ```ts no-eval
 * import { KvsClient } from "@kvs/kvs";
 *
 * await using client = await KvsClient.connect("127.0.0.1:4000");
 * await client.set("greeting", "hello");
 * console.log(await client.get("greeting")); // hello
 * ```
 *
 * @module
 */

export * from "./client.ts";
export * from "./engine/engine.ts";
export { type EngineOptions, openEngine } from "./engine/open.ts";
export {
  type KvsHandle,
  KvStore,
  type KvStoreOptions,
} from "./engine/kvs/store.ts";
export * from "./server.ts";

// What the options above are made of.
export type { DataDirectoryOptions } from "./engine/directory.ts";
export type { Damage } from "./engine/kvs/segment.ts";
export type { Log, LogFields, LogLevel } from "./monitor/log.ts";
export type { LatencyStats, ServerStats } from "./monitor/server_stats.ts";
export type { ServerLimits } from "./pool/limits.ts";
export type { PoolStrategy } from "./pool/pool.ts";
export type { Addr } from "./protocol/addr.ts";
export type { TlsOptions } from "./protocol/dial.ts";
export type { RequestLimits } from "./protocol/request_buffer.ts";
