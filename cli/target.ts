import type { CompactionReport, StoreStats } from "../engine/engine.ts";
import type { ServerStats } from "../protocol/server_stats.ts";
import type { PairBlock } from "./pairs/pair_block.ts";

/** A key and its value, as text or as UTF-8, whichever there is already. */
export interface Pair {
  readonly key: string | Uint8Array;
  /** `undefined` where it is left out. */
  readonly value: string | Uint8Array | undefined;
  /** Whether it is not text, so that a server cannot answer with it. */
  readonly isUnreadable?: boolean;
}

/** Which pairs to read. */
export interface PairRange {
  readonly prefix?: string;
  /** The first key. */
  readonly start?: string;
  /** The key before which it ends. */
  readonly end?: string;
  /** Whether to go from the greatest key to the least. */
  readonly reverse?: boolean;
  /** Whether to leave the values out. */
  readonly keys?: boolean;
  /** The most pairs. */
  readonly limit?: number;
}

/** Statistics of a store without a server. */
export interface DirectoryStats {
  readonly store: Omit<StoreStats, "sync">;
}

/** A store to read: a server's, or the files of a data directory. */
export interface Source {
  /** A value; `undefined` if the key is missing, `null` if it is not text. */
  get(key: string): Promise<string | undefined | null>;
  /** Pairs in the order of their keys' bytes, in pages none of which is empty. */
  pages(range: PairRange): AsyncIterable<readonly Pair[]>;
  /**
   * Makes pages show the store as it is now; returns the number of pairs, or 0
   * where counting them would take a scan.
   */
  freeze(): Promise<number>;
  stats(): Promise<ServerStats | DirectoryStats>;
  close(): Promise<void>;
}

/** A store to read and write. */
export interface Target extends Source {
  /** Whether compaction reports its progress. */
  readonly reportsProgress: boolean;
  set(key: string, value: string): Promise<void>;
  /** Returns whether the key was there. */
  remove(key: string): Promise<boolean>;
  compact(
    onProgress?: (doneBytes: number, totalBytes: number) => void,
  ): Promise<CompactionReport>;
  /** Sets pairs, of those with the same key the last; keeps no bytes. */
  add(pairs: PairBlock): Promise<void>;
  /** Waits until all pairs that were added are durable. */
  finish(): Promise<void>;
}

/** How many pairs at a time become objects, none of which lives for long. */
export const PART_PAIRS = 4_096;
