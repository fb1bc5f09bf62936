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
import type { KvStoreOptions } from "./kvs/store/handle.ts";
import type { EngineOptions } from "./open.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];

/** The least and the most of each size, in bytes. */
const SIZE_RANGES = {
  indexBytes: [2 ** 18, 2 ** 34],
  segmentBytes: [4096, 2 ** 30],
  cacheBytes: [0, 2 ** 32],
  compactAtBytes: [0, Number.MAX_SAFE_INTEGER],
} as const;

/** An option of engine kvs that is a size. */
export type StoreSize = keyof typeof SIZE_RANGES;

const SIZES = Object.keys(SIZE_RANGES) as StoreSize[];

/**
 * Checks an option that is a size, if it is given.
 *
 * @param name The option.
 * @param value Its value.
 * @param shownAs What the user calls it.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is out of range.
 */
export function checkSize(
  name: StoreSize,
  value: unknown,
  shownAs: string = name,
): void {
  const [least, most] = SIZE_RANGES[name];
  checkWhole(shownAs, value, least, most, "bytes");
}

/**
 * Checks the options of engine kvs.
 *
 * @param options The options.
 * @throws {TypeError} If one is of another type than it says.
 * @throws {RangeError} If a size is out of range.
 */
export function checkStoreOptions(options: KvStoreOptions): void {
  checkObject("options", options);
  checkChoice("sync", options.sync, SYNC_MODES);
  for (const name of SIZES) {
    // Infinity turns background compaction off
    if (name === "compactAtBytes" && options[name] === Infinity) continue;
    checkSize(name, options[name]);
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
