/**
 * Checks of the options of engines, made before a directory is made or locked.
 *
 * @module
 */

import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkObject,
  checkWhole,
} from "../options.ts";
import { type DataDirectoryOptions, ENGINE_NAMES } from "./directory.ts";
import type { SyncMode } from "./engine.ts";
import type { KvStoreOptions } from "./kvs/store.ts";
import type { EngineOptions } from "./open.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];

/**
 * Checks the options of engine kvs.
 *
 * @param options The options.
 * @throws {TypeError} If one is of another type than it says.
 * @throws {RangeError} If a size is out of range.
 */
export function checkStoreOptions(options: KvStoreOptions): void {
  checkObject("options", options);
  const { indexBytes, segmentBytes, cacheBytes, compactAtBytes } = options;
  checkChoice("sync", options.sync, SYNC_MODES);
  checkBytes("indexBytes", indexBytes, 2 ** 18, 2 ** 34);
  checkBytes("segmentBytes", segmentBytes, 4096, 2 ** 30);
  checkBytes("cacheBytes", cacheBytes, 0, 2 ** 32);
  if (compactAtBytes !== Infinity) {
    checkBytes("compactAtBytes", compactAtBytes, 0, Number.MAX_SAFE_INTEGER);
  }
  checkFunction("onDamage", options.onDamage);
  checkFunction("onFailure", options.onFailure);
}

/**
 * Checks the options of any engine.
 *
 * @param options The options.
 * @throws {TypeError} If one is of another type than it says.
 * @throws {RangeError} If a size is out of range.
 */
export function checkEngineOptions(
  options: DataDirectoryOptions & EngineOptions,
): void {
  checkObject("options", options);
  const { engine, create, kvs = {} } = options;
  checkChoice("engine", engine, ENGINE_NAMES);
  checkBoolean("create", create);
  checkChoice("sync", options.sync, SYNC_MODES);
  checkFunction("onFailure", options.onFailure);
  checkObject("kvs", kvs);
  checkStoreOptions(kvs);
}

function checkBytes(
  name: string,
  value: unknown,
  least: number,
  most: number,
): void {
  checkWhole(name, value, least, most, "bytes");
}
