/**
 * What a store is opened with, and what a Worker attaches to it with.
 *
 * @module
 */

import { checkFunction, checkWhole } from "../../../options.ts";
import type { EngineHandle, OnFailure, SyncMode } from "../../engine.ts";
import { checkSharedOptions } from "../../options.ts";
import type { Damage } from "../log/segment.ts";

/** Options of `KvStore.open()`. */
export interface KvStoreOptions {
  /**
   * When an acknowledged write is on disk.
   *
   * @default {"always"}
   */
  readonly sync?: SyncMode;
  /**
   * Memory for the index, in bytes, 256 KiB to 16 GiB: about 50 for each key
   * and the key itself. Only what is used is taken from the system.
   *
   * @default a quarter of the machine's memory, or of what its cgroups leave of
   * it, at most 16 GiB
   */
  readonly indexBytes?: number;
  /**
   * The size at which a segment is sealed, in bytes, 4 KiB to 1 GiB.
   *
   * @default {33554432}
   */
  readonly segmentBytes?: number;
  /**
   * Memory for what was read of the log, in bytes, for each instance, at
   * most 4 GiB; 0 for none. It is taken as it is used.
   *
   * @default {33554432}
   */
  readonly cacheBytes?: number;
  /**
   * How many bytes must be reclaimable before a compaction starts by itself;
   * `Infinity` for never.
   *
   * @default {33554432}
   */
  readonly compactAtBytes?: number;
  /**
   * Told of everything in the files that is not what was written.
   *
   * @default one line each on standard error
   */
  readonly onDamage?: (damage: Damage) => void;
  /**
   * Told of failures that no request hears of, such as that of a compaction that
   * started by itself.
   *
   * @default one line each on standard error
   */
  readonly onFailure?: OnFailure;
}

/** What a Worker needs to attach to an open `KvStore`. */
export interface KvsHandle extends EngineHandle {
  /** Which engine it belongs to. */
  readonly engine: "kvs";
  /** The data directory, as an absolute path. */
  readonly directory: string;
  /** See {@linkcode KvStoreOptions.sync}. */
  readonly sync: SyncMode;
  /** See {@linkcode KvStoreOptions.segmentBytes}. */
  readonly segmentBytes: number;
  /** See {@linkcode KvStoreOptions.cacheBytes}. */
  readonly cacheBytes: number;
  /** See {@linkcode KvStoreOptions.compactAtBytes}. */
  readonly compactAtBytes: number;
  /** The shared state of the log. */
  readonly log: SharedArrayBuffer;
  /** The shared state of compaction. */
  readonly compaction: SharedArrayBuffer;
  /** The index. */
  readonly index: SharedArrayBuffer;
}

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
  checkSharedOptions(options);
  for (const name of SIZES) {
    // Infinity turns background compaction off
    if (name === "compactAtBytes" && options[name] === Infinity) continue;
    checkSize(name, options[name]);
  }
  checkFunction("onDamage", options.onDamage);
}
