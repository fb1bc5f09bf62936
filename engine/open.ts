/**
 * Opening a store by the name of its engine. An engine's code is loaded only
 * when it is used, since loading it takes a good part of a short command.
 *
 * @module
 */

import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkObject,
} from "../options.ts";
import {
  DataDirectory,
  type DataDirectoryOptions,
  ENGINE_NAMES,
} from "./directory.ts";
import type {
  EngineHandle,
  EngineSnapshot,
  KvsEngine,
  OnFailure,
} from "./engine.ts";
import {
  checkStoreOptions,
  type KvsHandle,
  type KvStoreOptions,
} from "./kvs/store/handle.ts";
import type { LevelHandle } from "./level/instances.ts";
import { checkSharedOptions, type SharedOptions } from "./options.ts";

/** Options of {@linkcode openEngineIn}. */
export interface EngineOptions extends SharedOptions {
  /** Further options, where the engine is kvs. */
  readonly kvs?: Omit<KvStoreOptions, keyof SharedOptions>;
}

/**
 * Opens the store in a data directory.
 *
 * @param path The data directory.
 * @param options Which engine, whether the store may be new, and what
 * {@linkcode EngineOptions} says.
 * @returns The store.
 * @throws {TypeError} If an option is of another type than it says.
 * @throws {RangeError} If a size is out of range.
 * @throws {Error} If the directory or the store in it cannot be opened.
 *
 * @example
 * ```ts
 * import { openEngine } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using engine = await openEngine(Deno.makeTempDirSync(), {
 *   engine: "level",
 *   create: true,
 * });
 * await engine.set("k", "v");
 * assertEquals(await engine.get("k"), "v");
 * ```
 */
export async function openEngine(
  path: string,
  options: DataDirectoryOptions & EngineOptions = {},
): Promise<KvsEngine> {
  checkEngineOptions(options);
  const directory = DataDirectory.open(path, options);
  try {
    return await openEngineIn(directory, options);
  } catch (error) {
    directory.close();
    throw error;
  }
}

/**
 * Opens the store in a data directory that is locked already; closing the
 * engine closes the directory.
 *
 * @param directory The data directory.
 * @param options See {@linkcode EngineOptions}.
 * @returns The store.
 * @throws {Error} If the store cannot be opened. The directory is the caller's
 * to close then.
 */
export async function openEngineIn(
  directory: DataDirectory,
  options: EngineOptions = {},
): Promise<KvsEngine> {
  checkEngineOptions(options);
  switch (directory.engine) {
    case "kvs": {
      const { KvStore } = await import("./kvs/store/store.ts");
      const { sync, onFailure, kvs } = options;
      return KvStore.openIn(directory, { sync, onFailure, ...kvs });
    }
    case "level": {
      const { LevelEngine } = await import("./level/level_engine.ts");
      return await LevelEngine.openIn(directory, options);
    }
  }
}

/**
 * Attaches to a store that another thread of this process has open.
 *
 * @param handle What `share()` of that instance returned.
 * @param onFailure Told of failures that no request hears of; by default it is
 * one line each on standard error.
 * @returns An instance of the same store, to be closed before the other.
 * @throws {TypeError} If the handle is of no engine, or `onFailure` no function.
 */
export async function attachEngine(
  handle: EngineHandle,
  onFailure?: OnFailure,
): Promise<KvsEngine> {
  checkChoice("handle.engine", handle.engine, ENGINE_NAMES);
  checkFunction("onFailure", onFailure);
  switch (handle.engine) {
    case "kvs": {
      const { KvStore } = await import("./kvs/store/store.ts");
      return KvStore.attach(handle as KvsHandle, onFailure);
    }
    case "level": {
      const { LevelEngine } = await import("./level/level_engine.ts");
      return await LevelEngine.attach(handle as LevelHandle, onFailure);
    }
  }
}

/** Options of {@linkcode openSnapshot}. */
export interface SnapshotOptions {
  /** Gives up when it aborts; later it changes nothing. */
  readonly signal?: AbortSignal;
}

/**
 * Opens what an open store holds at one moment between the call and the end of
 * its promise: everything that was acknowledged before the call is in it.
 *
 * With engine kvs it has an index of its own, as large as the store's, which a
 * Worker of its own loads (about a second for a million keys); the disk keeps
 * what is compacted away until it is closed. With engine level it costs little.
 *
 * @param handle What `share()` of an instance of the store returned.
 * @param options See {@linkcode SnapshotOptions}.
 * @returns The snapshot, to be closed before the store.
 * @throws {Error} If the files can't be read, or are not what was written.
 * @throws The reason of the signal, if it aborts.
 *
 * @example
 * ```ts
 * import { KvStore, openSnapshot, scanEntries } from "@kvs/kvs";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * await store.set("k", "before");
 * await using snapshot = await openSnapshot(store.share());
 * await store.set("k", "after");
 * for await (const { value } of scanEntries(snapshot)) {
 *   assertEquals(new TextDecoder().decode(value), "before");
 * }
 * ```
 */
export async function openSnapshot(
  handle: EngineHandle,
  { signal }: SnapshotOptions = {},
): Promise<EngineSnapshot> {
  signal?.throwIfAborted();
  const open = await loadSnapshots(handle);
  signal?.throwIfAborted();
  return await open(signal);
}

/**
 * Loads what opens snapshots. The runtime may abort the process where a module
 * is loaded on the main thread without a free descriptor, so a server does it
 * in advance.
 *
 * @param handle What `share()` of an instance of the store returned.
 * @returns Opens a snapshot of that store, unless the signal aborts.
 */
export async function loadSnapshots(
  handle: EngineHandle,
): Promise<(signal?: AbortSignal) => Promise<EngineSnapshot>> {
  switch (handle.engine) {
    case "kvs": {
      const { StoreSnapshot } = await import("./kvs/store/snapshot.ts");
      return (signal) => StoreSnapshot.open(handle as KvsHandle, signal);
    }
    case "level": {
      const { LevelSnapshot } = await import("./level/level_snapshot.ts");
      return (signal) => LevelSnapshot.open(handle as LevelHandle, signal);
    }
  }
}

function checkEngineOptions(
  options: DataDirectoryOptions & EngineOptions,
): void {
  checkSharedOptions(options);
  const { engine, create, kvs = {} } = options;
  checkChoice("engine", engine, ENGINE_NAMES);
  checkBoolean("create", create);
  checkObject("kvs", kvs);
  checkStoreOptions(kvs);
}
