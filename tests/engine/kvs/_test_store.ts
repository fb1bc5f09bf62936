import { assertEquals } from "@std/assert";
import type { Write, WriteOutcome } from "../../../engine/engine.ts";
import {
  compact,
  type CompactionScope,
} from "../../../engine/kvs/store/compaction.ts";
import type { CompactionContext } from "../../../engine/kvs/store/compaction_output.ts";
import { Log } from "../../../engine/kvs/log/log.ts";
import { emptyPointer } from "../../../engine/kvs/index/log_pointer.ts";
import { CompactionState } from "../../../engine/kvs/store/compaction_state.ts";
import type { KvsHandle } from "../../../engine/kvs/store/handle.ts";
import { Writer } from "../../../engine/kvs/store/writer.ts";
import { RECORD_HEADER_BYTES } from "../../../engine/kvs/log/record.ts";
import { recover } from "../../../engine/kvs/store/recovery.ts";
import {
  type Damage,
  listSegments,
  readBytes,
  scanSegment,
  segmentPath,
  soundRecord,
} from "../../../engine/kvs/log/segment.ts";
import { Keydir } from "../../../engine/kvs/index/keydir.ts";
import { UNKNOWN_HOLDER } from "../../../engine/sync/instance_lock.ts";
import { bytes, MEMORY, TempDirectory, text } from "./_helpers.ts";

/** A write of a test: a removal has no value. */
export type KeyValue = readonly [key: string, value?: string];

/** Options of {@linkcode TestStore}. */
export interface TestStoreOptions {
  readonly segmentBytes?: number;
  readonly indexBytes?: number;
}

/**
 * A store without its directory lock, its timers and its Workers: the same
 * parts, where a test can reach each of them.
 */
export class TestStore implements Disposable {
  readonly directory: string;
  readonly log: Log;
  readonly index: Keydir;
  readonly damage: readonly Damage[];
  readonly writer: Writer;
  readonly compaction = CompactionState.create(UNKNOWN_HOLDER);
  readonly #others: Log[] = [];

  /** @param directory The data directory, empty or with a store in it. */
  constructor(
    directory: string,
    { segmentBytes = 2 ** 20, indexBytes = 2 ** 20 }: TestStoreOptions = {},
  ) {
    this.directory = directory;
    this.log = Log.create(directory, { segmentBytes });
    const { index, damage } = recover(this.log, indexBytes);
    this.index = index;
    this.damage = damage;
    this.writer = new Writer(this.log, Keydir.attach(index.buffer));
  }

  /** Another instance's view of the log. */
  otherLog(): Log {
    const log = Log.attach(this.log.share(), { isShared: false });
    this.#others.push(log);
    return log;
  }

  /** Another instance's writer. */
  newWriter(): Writer {
    return new Writer(this.otherLog(), Keydir.attach(this.index.buffer));
  }

  /** What another instance of the store attaches to it with. */
  get handle(): KvsHandle {
    return {
      engine: "kvs",
      ...this.log.share(),
      sync: "no",
      cacheBytes: 0,
      compactAtBytes: Infinity,
      compaction: this.compaction.memory,
      index: this.index.buffer,
    };
  }

  /** What compaction works on. */
  get context(): CompactionContext {
    return { log: this.log, index: this.index, state: this.compaction };
  }

  /** The segments' file ids. */
  get ids(): number[] {
    return listSegments(this.directory);
  }

  /** Writes a batch. */
  write(...batch: KeyValue[]): WriteOutcome[] {
    return this.writer.write(batch.map(toWrite));
  }

  /** Makes everything written durable. */
  async sync(): Promise<void> {
    const { commit } = this.otherLog();
    try {
      await commit.wait(commit.ticket);
    } finally {
      await commit.close();
    }
  }

  /** Compacts in this thread; `between` is called after each record. */
  compact(scope: CompactionScope = "all", between = () => {}) {
    return compact(this.context, scope, between);
  }

  /** The value that the index leads to, read as a reader would. */
  get(key: string): string | undefined {
    const pointer = emptyPointer();
    if (!this.index.get(bytes(key), pointer)) return undefined;
    const record = new Uint8Array(pointer.length);
    const path = segmentPath(this.directory, pointer.segment);
    using file = Deno.openSync(path);
    soundRecord(
      readBytes(file, pointer.offset, record),
      pointer.length,
      path,
      pointer.offset,
    );
    return text(record.subarray(20 + bytes(key).length));
  }

  /** Every key and its value. */
  entries(): Map<string, string> {
    return new Map(
      this.index.page(2 ** 20)
        .map(({ key }) => [text(key), this.get(text(key))!]),
    );
  }

  /**
   * All sound records of each segment: sequence number and `key=value`, or
   * `-key` for a tombstone.
   */
  records(): string[][] {
    return this.ids.map((id) => {
      const records: string[] = [];
      scanSegment(segmentPath(this.directory, id), id, (header, _, record) => {
        const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
        const key = text(record.subarray(RECORD_HEADER_BYTES, keyEnd));
        const value = text(record.subarray(keyEnd));
        const what = header.tombstone ? `-${key}` : `${key}=${value}`;
        records.push(`${header.sequence} ${what}`);
      });
      return records;
    });
  }

  /** Checks that files and table agree, and the counts with the records. */
  assertConsistent(): void {
    const { log, ids } = this;
    const table = log.segments.list();
    assertEquals(table.map(({ id }) => id), ids);
    const pointer = emptyPointer();
    for (const state of table) {
      const path = segmentPath(this.directory, state.id);
      let deadBytes = 0;
      let deadRecords = 0;
      let tombstoneBytes = 0;
      let minSequence = Infinity;
      const scan = scanSegment(path, state.id, (header, offset, record) => {
        minSequence = Math.min(minSequence, header.sequence);
        const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
        const key = record.subarray(RECORD_HEADER_BYTES, keyEnd);
        if (header.tombstone) tombstoneBytes += record.length;
        else if (
          !this.index.get(key, pointer) || pointer.segment !== state.id ||
          pointer.offset !== offset
        ) {
          deadBytes += record.length;
          deadRecords++;
        } else {
          assertEquals(pointer.length, record.length);
          assertEquals(pointer.sequence, header.sequence);
        }
      });
      assertEquals(scan.damage, []);
      assertEquals(scan.tailOffset, scan.sizeBytes);
      const { flags, id } = state;
      assertEquals(state, {
        id,
        sizeBytes: scan.sizeBytes,
        deadBytes,
        deadRecords,
        tombstoneBytes,
        minSequence,
        flags,
      });
    }
  }

  /** Closes its files; everything else is left as a kill would leave it. */
  [Symbol.dispose](): void {
    for (const log of [this.log, ...this.#others]) log.detach();
    this.index.detach();
  }
}

/**
 * A {@linkcode TestStore} in a directory of its own, in memory, which goes with
 * it.
 */
export class TempStore extends TestStore {
  readonly #temporary: TempDirectory;

  constructor(options?: TestStoreOptions) {
    const temporary = new TempDirectory(MEMORY);
    super(temporary.path, options);
    this.#temporary = temporary;
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#temporary[Symbol.dispose]();
  }
}

/** A write of bytes. */
export function toWrite([key, value]: KeyValue): Write {
  return {
    key: bytes(key),
    value: value === undefined ? undefined : bytes(value),
  };
}

/**
 * What may be found of each key after a crash: the last state that was
 * acknowledged, or one that was written later and not acknowledged.
 */
export class Expectation {
  #acknowledged = new Map<string, string | undefined>();
  #pending: KeyValue[] = [];

  /** Notes a write that is not acknowledged yet. */
  wrote(...batch: KeyValue[]): void {
    this.#pending.push(...batch);
  }

  /** Takes back the last writes noted, as far as they failed. */
  settle(batch: readonly KeyValue[], outcomes: readonly WriteOutcome[]): void {
    this.#pending.length -= batch.length;
    this.wrote(...batch.filter((_, i) => !(outcomes[i] instanceof Error)));
  }

  /** Notes that everything written so far is acknowledged. */
  acknowledged(): void {
    for (const [key, value] of this.#pending) {
      this.#acknowledged.set(key, value);
    }
    this.#pending = [];
  }

  /** The state at this moment, to be compared with later. */
  capture(): Map<string, Set<string | undefined>> {
    const allowed = new Map<string, Set<string | undefined>>();
    for (const [key, value] of this.#acknowledged) {
      allowed.set(key, new Set([value]));
    }
    for (const [key, value] of this.#pending) {
      const values = allowed.get(key) ?? new Set([undefined]);
      allowed.set(key, values.add(value));
    }
    return allowed;
  }
}

/** Checks the entries of a store against what may be found. */
export function assertExpected(
  entries: ReadonlyMap<string, string>,
  allowed: ReadonlyMap<string, ReadonlySet<string | undefined>>,
): void {
  for (const [key, values] of allowed) {
    const found = entries.get(key);
    if (values.has(found)) continue;
    throw new Error(
      `Key ${key} is ${brief(found)}, expected one of ${
        [...values].map(brief)
      }`,
    );
  }
  for (const key of entries.keys()) {
    if (!allowed.has(key)) throw new Error(`Key ${key} was never written`);
  }
}

function brief(value: string | undefined): string {
  if (value === undefined || value.length < 80) return JSON.stringify(value);
  return `${
    JSON.stringify(value.slice(0, 60))
  } and more, ${value.length} characters`;
}
