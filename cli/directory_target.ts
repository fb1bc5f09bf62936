import { findStore, isReadOnlyFileSystem } from "../engine/directory.ts";
import type {
  CompactionProgress,
  CompactionReport,
  KvsEngine,
  MaybePromise,
  StoreStats,
  Write,
} from "../engine/engine.ts";
import { LockedError } from "../engine/errors.ts";
import { openEngine } from "../engine/open.ts";
import { scanPages } from "../engine/scan.ts";
import { checkPairSize } from "../protocol/request_limits.ts";
import type { PairBlock } from "./pairs/pair_block.ts";
import {
  type DirectoryStats,
  type Pair,
  type PairRange,
  PART_PAIRS,
  type Source,
  type Target,
} from "./target.ts";

/**
 * How much to read at a time: the more, the nearer values lie to each other in
 * the log; the less, the less the garbage collector has to move.
 */
const PAGE_PAIRS = 32_768;
const PAGE_BYTES = 16 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Reader = Pick<KvsEngine, "getBytes" | "scan" | "close"> & {
  stats(): MaybePromise<Omit<StoreStats, "sync"> & Partial<StoreStats>>;
};

type Engine =
  & Reader
  & Pick<KvsEngine, "set" | "remove" | "write" | "sync" | "compact">;

/** The files of a data directory, to read. */
export class DirectorySource implements Source {
  readonly #reader: Reader;

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async get(key: string): Promise<string | undefined | null> {
    const value = await this.#reader.getBytes(encoder.encode(key));
    try {
      return value && decoder.decode(value);
    } catch {
      return null;
    }
  }

  pages(
    { prefix, start, end, reverse, keys, limit }: PairRange,
  ): AsyncIterable<readonly Pair[]> {
    return scanPages(this.#reader, {
      prefix: encoded(prefix),
      start: encoded(start),
      end: encoded(end),
      reverse,
      keysOnly: keys,
      limit,
      maxBytes: PAGE_BYTES,
    }, PAGE_PAIRS);
  }

  /** Nobody else writes to it. */
  async freeze(): Promise<number> {
    return (await this.#reader.stats()).keys ?? 0;
  }

  async stats(): Promise<DirectoryStats> {
    // The sync mode is that of this opening, and says nothing of the store.
    const { sync: _, ...store } = await this.#reader.stats();
    return { store };
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }
}

/** The files of a data directory, to read and write. */
export class DirectoryTarget extends DirectorySource implements Target {
  readonly reportsProgress = true;
  readonly #engine: Engine;
  #syncing: Promise<void> | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(engine: Engine) {
    super(engine);
    this.#engine = engine;
  }

  async set(key: string, value: string): Promise<void> {
    await this.#engine.set(key, value);
  }

  async remove(key: string): Promise<boolean> {
    return await this.#engine.remove(key);
  }

  async compact(onProgress?: CompactionProgress): Promise<CompactionReport> {
    return await this.#engine.compact(onProgress);
  }

  async add(pairs: PairBlock): Promise<void> {
    // In key order, neighbours in the index follow each other, and are
    // neighbours in the log when they are read in this order later.
    const order = pairs.keyOrder();
    for (let from = 0; from < order.length; from += PART_PAIRS) {
      const part: Write[] = Array.from(
        order.subarray(from, from + PART_PAIRS),
        (place) => {
          const pair = pairs.at(place);
          checkPairSize(pair.key.length, pair.value.length);
          return pair;
        },
      );
      for (const outcome of await this.#engine.write(part)) {
        if (typeof outcome !== "boolean") throw outcome;
      }
    }
    // The disk works on these while the next are being read, and even longer:
    // the next sync covers whatever is written until it starts.
    this.#syncing ??= this.#sync();
    this.#throwFailure();
  }

  async finish(): Promise<void> {
    await this.#syncing;
    this.#throwFailure();
    await this.#engine.sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#engine.sync();
    } catch (reason) {
      this.#failure ??= { reason };
    }
    this.#syncing = undefined;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

/** Options of {@linkcode openDirectory}. */
interface OpenOptions {
  /** Whether to create a missing directory. */
  readonly create: boolean;
}

/** Opens a data directory to read and write. */
export async function openDirectory(
  dir: string,
  { create }: OpenOptions,
): Promise<DirectoryTarget> {
  try {
    return new DirectoryTarget(await openEngine(dir, { create }));
  } catch (error) {
    throw withHint(error);
  }
}

/** Options of {@linkcode openDirectoryToRead}. */
interface OpenToReadOptions {
  /** Whether another process may have it open. */
  readonly readOnly: boolean;
}

/** Opens a data directory to read, also on a read-only file system. */
export async function openDirectoryToRead(
  dir: string,
  { readOnly }: OpenToReadOptions,
): Promise<DirectorySource> {
  if (!readOnly) {
    try {
      return new DirectoryTarget(await openEngine(dir));
    } catch (error) {
      const isLocked = error instanceof LockedError;
      if (!isLocked && !isReadOnlyFileSystem(error)) throw error;
      const isKvs = findStore(dir).engine === "kvs";
      if (isLocked) throw withHint(error, isKvs ? ["--read-only"] : []);
      if (!isKvs) throw error;
    }
  }
  const { ReadOnlyStore } = await import(
    "../engine/kvs/store/read_only_store.ts"
  );
  return new DirectorySource(ReadOnlyStore.open(dir));
}

/** Says how to use a store that a server has open. */
function withHint(error: unknown, readingFlags: readonly string[] = []) {
  if (!(error instanceof LockedError)) return error;
  const ways = readingFlags.map((flag) => `${flag} for reading`);
  if (error.addr !== undefined) ways.unshift(`--addr ${error.addr}`);
  if (ways.length === 0) return error;
  return new Error(`${error.message}; use ${ways.join(", or ")}`, {
    cause: error,
  });
}

function encoded(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : encoder.encode(text);
}
