/**
 * A log-structured key-value store: embedded, as a server, and its client.
 *
 * @example The store in this process
 * ```ts
 * import { KvStore } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await store.set("greeting", "hello");
 * assertEquals(store.get("greeting"), "hello");
 * ```
 *
 * @example The store behind a server
 * ```ts
 * import { KvsClient, KvsServer, openEngine } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = Deno.makeTempDirSync();
 * await using engine = await openEngine(directory, { create: true });
 * await using server = await KvsServer.start(engine, { addr: "127.0.0.1:0" });
 *
 * await using client = await KvsClient.connect(server.addr);
 * await client.set("greeting", "hello");
 * assertEquals(await client.get("greeting"), "hello");
 * ```
 *
 * @module
 */

// Engines.
export * from "./engine/engine.ts";
export {
  attachEngine,
  type EngineOptions,
  openEngine,
  openSnapshot,
  type SnapshotOptions,
} from "./engine/open.ts";
export type { SharedOptions } from "./engine/options.ts";
export { type DataDirectoryOptions, ENGINE_NAMES } from "./engine/directory.ts";
export {
  ClosedError,
  CorruptionError,
  IndexFullError,
  LockedError,
  NotFoundError,
  WritesRefusedError,
  WrongEngineError,
} from "./engine/errors.ts";
export { scanEntries } from "./engine/scan.ts";
export { KvStore } from "./engine/kvs/store/store.ts";
export type { KvsHandle, KvStoreOptions } from "./engine/kvs/store/handle.ts";
export {
  ReadOnlyStore,
  type ReadOnlyStoreOptions,
} from "./engine/kvs/store/read_only_store.ts";
export type { Damage } from "./engine/kvs/log/segment.ts";

// The server, and the pools over which it spreads its work.
export * from "./server.ts";
export { SOCKET_CHOICES, type SocketChoice } from "./net/listen.ts";
export { POOL_STRATEGIES, type PoolStrategy } from "./pool/pool.ts";
export type { ServerLimits } from "./net/limits.ts";
export type { RequestLimits } from "./protocol/json/request_buffer.ts";
export type { Log, LogFields, LogLevel } from "./monitor/log.ts";
export type { RequestKind, RequestTypes } from "./protocol/request.ts";
export type { LatencyStats, ServerStats } from "./protocol/server_stats.ts";

// The client.
export * from "./client.ts";
export type { Addr } from "./addr.ts";
export type { TlsOptions } from "./client/dial.ts";
