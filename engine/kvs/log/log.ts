/**
 * The log: the segments of a data directory, and who may add to them.
 *
 * All instances of a store, in whatever Workers, share the words of one block
 * of memory. Of the files each has its own handles.
 *
 * @module
 */

import { asError, ClosedError } from "../../errors.ts";
import {
  type Holder,
  InstanceLock,
  UNKNOWN_HOLDER,
} from "../../sync/instance_lock.ts";
import { SharedMutex } from "../../sync/shared_mutex.ts";
import { closeWhenIdle, SegmentAppender } from "./appender.ts";
import { GROUP_COMMIT_WORDS, GroupCommit } from "./group_commit.ts";
import { removeHint } from "./hint.ts";
import { Refusal, REFUSAL_WORDS } from "./refusal.ts";
import { SEGMENT_HEADER_BYTES, segmentPath } from "./segment.ts";
import {
  SEGMENT_TABLE_WORDS,
  type SegmentState,
  SegmentTable,
  type SegmentTotals,
} from "./segment_table.ts";

// Words of shared memory. Those marked (lock) are written with the lock held.
const LOCK = 0;
const FILE_ID = 1;
const SEQUENCE_LOW = 2; // (lock)
const SEQUENCE_HIGH = 3; // (lock)
const CLOSED = 4; // (lock)
const INSTANCES = 5;
const COMMIT = 6;
const REFUSAL = COMMIT + GROUP_COMMIT_WORDS;
const TABLE = REFUSAL + REFUSAL_WORDS;
const LOG_WORDS = TABLE + SEGMENT_TABLE_WORDS;

/** Leaves 27 bits, half of the ids that an instance can have. */
const FIRST_INSTANCE_SHIFT = 5;

/** The greatest file id: the segment table has a use for the number after it. */
const LAST_FILE_ID = 0xffff_fffe;

/** What another instance needs to attach to a log. */
export interface LogHandle {
  /** The data directory, as an absolute path. */
  readonly directory: string;
  /** The size at which a segment is sealed, in bytes. */
  readonly segmentBytes: number;
  /** The shared state of the log. */
  readonly log: SharedArrayBuffer;
}

/** Options of {@linkcode Log.create}. */
export interface LogOptions {
  /** The size at which a segment is sealed, in bytes. */
  readonly segmentBytes?: number;
  /** Whether instances in Workers may attach to it. */
  readonly isShared?: boolean;
}

/** Copies of records, which no acknowledged write waits for. */
export interface Copies {
  /** The segment that {@linkcode Log.beginCopies} made. */
  readonly id: number;
  /** Where it ends. */
  readonly sizeBytes: number;
  /** The smallest sequence number of its records. */
  readonly minSequence: number;
  /** How much of what is appended are tombstones, in bytes. */
  readonly tombstoneBytes: number;
}

/** One instance's view of the log of an open store. */
export class Log {
  readonly directory: string;
  readonly segmentBytes: number;
  /** This instance among the others. */
  readonly holder: Holder;
  /** Serialises writers: appends to the log, and changes of the index. */
  readonly lock: SharedMutex;
  /** What is known of each segment; see there for who may touch it. */
  readonly segments: SegmentTable;
  /** Whether a failure made it unsafe to go on writing. */
  readonly refusal: Refusal;
  /** How far the log is on disk. */
  readonly commit: GroupCommit;
  readonly #instance: InstanceLock | undefined;
  readonly #words: Uint32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #appender: SegmentAppender;
  #timer: ReturnType<typeof setInterval> | undefined;

  private constructor(
    { directory, segmentBytes, log }: LogHandle,
    isShared: boolean,
  ) {
    this.directory = directory;
    this.segmentBytes = segmentBytes;
    this.#memory = log;
    const words = this.#words = new Uint32Array(log);
    const signed = new Int32Array(log);
    if (isShared) {
      // Its directory may be another process's by now.
      if (this.isClosed) throw new ClosedError("Store");
      const id = Atomics.add(words, INSTANCES, 1) + 1;
      this.#instance = new InstanceLock(directory, id);
    }
    const holder = this.holder = this.#instance ?? UNKNOWN_HOLDER;
    const refusal = this.refusal = new Refusal(words, REFUSAL);
    const lock = this.lock = new SharedMutex(signed, LOCK, {
      holder,
      onAbandoned: () => refusal.refuse("a thread ended while it was writing"),
    });
    const segments = this.segments = new SegmentTable(words, TABLE);
    this.commit = new GroupCommit(signed, COMMIT, {
      directory,
      holder,
      lock,
      segments,
      refusal,
    });
    this.#appender = new SegmentAppender(directory, refusal);
  }

  /**
   * Makes the log of a store that is being opened, without its segments.
   *
   * @param directory The data directory.
   * @param options See {@linkcode LogOptions}.
   */
  static create(
    directory: string,
    { segmentBytes = Infinity, isShared = false }: LogOptions = {},
  ): Log {
    const log = new SharedArrayBuffer(LOG_WORDS * 4);
    // An instance of a store that was closed gives back the file of its id when
    // it closes itself, and that must not be the file of one of this store.
    const [random] = crypto.getRandomValues(new Uint32Array(1));
    new Uint32Array(log)[INSTANCES] = random >>> FIRST_INSTANCE_SHIFT;
    return new Log({ directory, segmentBytes, log }, isShared);
  }

  /**
   * Attaches to another instance's log, until {@linkcode close}.
   *
   * @param handle What {@linkcode share} returned.
   * @param options Whether other instances may outlive this one; by default they
   * may, as those in other threads do.
   * @throws {ClosedError} If the store was closed.
   */
  static attach(
    handle: LogHandle,
    { isShared = true }: Pick<LogOptions, "isShared"> = {},
  ): Log {
    return new Log(handle, isShared);
  }

  /** What other instances attach to. */
  share(): LogHandle {
    const { directory, segmentBytes } = this;
    return { directory, segmentBytes, log: this.#memory };
  }

  /** Runs something with the write lock held. Not for the hot path. */
  locked<T>(use: () => T): T {
    return this.lock.locked(use);
  }

  /**
   * Does as {@linkcode locked} for changes without which memory would not know
   * of what the files have: where the lock is not to be had, writes are refused.
   *
   * @param what What would be unknown, for the reason.
   * @param change Makes the change.
   */
  lockedOrRefuse(what: string, change: () => void): void {
    try {
      this.locked(change);
    } catch (error) {
      this.refusal.refuse(`${what}: ${asError(error).message}`);
      throw error;
    }
  }

  /** Makes sure that no file id up to this one is given out. */
  reserveFileIds(upTo: number): void {
    this.#words[FILE_ID] = Math.max(this.#words[FILE_ID], upTo);
  }

  /** The sequence number of the last write. */
  get sequence(): number {
    return this.#words[SEQUENCE_HIGH] * 2 ** 32 + this.#words[SEQUENCE_LOW];
  }

  set sequence(value: number) {
    this.#words[SEQUENCE_LOW] = value >>> 0;
    this.#words[SEQUENCE_HIGH] = Math.floor(value / 2 ** 32);
  }

  /** Whether the instance that opened the store has closed it. */
  get isClosed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0;
  }

  /** Lets no instance write or read any more. */
  shut(): void {
    try {
      // With the lock: an append that has begun comes to its end first.
      this.locked(() => Atomics.store(this.#words, CLOSED, 1));
    } finally {
      // Nor may another begin if the lock was not to be had.
      Atomics.store(this.#words, CLOSED, 1);
    }
  }

  /**
   * Checks that this process may change the files of the log.
   *
   * @throws {ClosedError} If the store was closed: the directory may be another
   * process's by now.
   * @throws {WritesRefusedError} If a failure made it unsafe.
   */
  assertWritable(): void {
    if (this.isClosed) throw new ClosedError("Store");
    this.refusal.assertUnset();
  }

  /**
   * Whether there is room for a record in the active segment. Lock held.
   *
   * @param length Its length in bytes.
   * @param before How much is to be appended before it, in bytes.
   */
  hasRoom(length: number, before: number): boolean {
    const { active, activeSize } = this.segments;
    if (active === 0) return false;
    const at = activeSize + before;
    // An empty segment takes a record of any size.
    return at <= SEGMENT_HEADER_BYTES || at + length <= this.segmentBytes;
  }

  /**
   * Seals the active segment and begins the next one. Lock held.
   *
   * @param options Whether it may have one of the rows of the table that are
   * kept for compaction.
   * @throws {Error} If there are too many segments, or the disk fails.
   */
  rotate(options: { readonly spare?: boolean } = {}): void {
    this.segments.activate(this.#begin(options));
  }

  /**
   * Appends records to the active segment: all of them or none. Lock held.
   *
   * @param records The records.
   * @param first The sequence number of the first one.
   * @param last That of the last one, which all that follow it exceed.
   * @returns The ticket of this append, for {@linkcode commit}.
   * @throws {ClosedError} If the store was closed.
   * @throws {WritesRefusedError} If a failure made it unsafe to write.
   * @throws {Error} If the disk fails.
   */
  append(records: Uint8Array, first: number, last: number): number {
    this.assertWritable();
    const { segments } = this;
    this.#appendTo(segments.active, segments.activeSize, records);
    segments.grow(records.length, first);
    this.sequence = last;
    this.commit.appended(last);
    return last;
  }

  /** Makes an empty, sealed segment for copies, and tells its file id. */
  beginCopies(): number {
    return this.locked(() => this.#begin({ spare: true }));
  }

  /**
   * Appends copies of records, which must be on disk only before their
   * originals go.
   *
   * @param records The copies.
   * @param copies Where they go, and what they are.
   * @throws As {@linkcode append}.
   */
  appendCopies(
    records: Uint8Array,
    { id, sizeBytes, minSequence, tombstoneBytes }: Copies,
  ): void {
    this.assertWritable();
    this.#appendTo(id, sizeBytes, records);
    this.lockedOrRefuse("copies could not be counted", () => {
      this.segments.copied(id, sizeBytes + records.length, minSequence);
      if (tombstoneBytes > 0) this.segments.addTombstones(id, tombstoneBytes);
    });
  }

  /** Removes a segment that holds nothing live, and its hint file. */
  remove(id: number): void {
    this.assertWritable();
    removeHint(this.directory, id);
    // A reader that has looked the old pointer up and not opened the file yet
    // finds it gone, looks up again, and gets the new pointer.
    this.#removeFile(id);
    // Only now that the file is gone: a tombstone that hid records of it may go
    // from here on.
    this.locked(() => this.segments.drop(id));
  }

  /** Takes back a segment for copies that got none, if that is safe. */
  discardCopies(id: number): void {
    if (this.isClosed || this.refusal.isSet) return;
    this.#removeFile(id);
    this.locked(() => this.segments.drop(id));
  }

  /** All segments as they stand, in order of file id. */
  list(): SegmentState[] {
    return this.locked(() => this.segments.list());
  }

  /** What all segments are together. */
  totals(): SegmentTotals {
    return this.locked(() => this.segments.totals());
  }

  /** Sets flags of a segment. */
  flag(id: number, flags: number): void {
    this.locked(() => this.segments.setFlags(id, flags));
  }

  /** Closes this instance, once a sync that is under way is over. */
  async close(): Promise<void> {
    await this.commit.close();
    this.detach();
  }

  /** Closes an instance that has synced nothing. */
  detach(): void {
    this.#closeFile();
    this.#instance?.release();
  }

  #begin({ spare = false }: { readonly spare?: boolean }): number {
    this.assertWritable();
    const id = this.#nextFileId();
    // Before there is a file: a directory with more of them could not be opened.
    this.segments.add(id, SEGMENT_HEADER_BYTES, { spare });
    try {
      this.#appender.begin(id);
      this.#closeWhenIdle();
    } catch (error) {
      this.segments.drop(id);
      throw error;
    }
    return id;
  }

  /** Takes a file id that was never given out before; they never begin anew. */
  #nextFileId(): number {
    const words = this.#words;
    for (;;) {
      const last = Atomics.load(words, FILE_ID);
      if (last >= LAST_FILE_ID) {
        throw new Error(`Cannot add a segment: file id ${last} was the last`);
      }
      const found = Atomics.compareExchange(words, FILE_ID, last, last + 1);
      if (found === last) return last + 1;
    }
  }

  #appendTo(id: number, sizeBytes: number, records: Uint8Array): void {
    this.#appender.append(id, sizeBytes, records);
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    this.#timer ??= closeWhenIdle(() => {
      if (this.#appender.id !== this.segments.active) this.#closeFile();
    });
  }

  #removeFile(id: number): void {
    if (this.#appender.id === id) this.#closeFile();
    Deno.removeSync(segmentPath(this.directory, id));
  }

  #closeFile(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#appender[Symbol.dispose]();
  }
}
