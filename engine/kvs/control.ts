/**
 * The words of shared memory by which all instances of a store agree on the
 * state of its log.
 *
 * @module
 */

import type { CompactionReport } from "../engine.ts";
import { asError, ClosedError, WritesRefusedError } from "../errors.ts";
import { type Holder, InstanceLock, UNKNOWN_HOLDER } from "../instance_lock.ts";
import { Rounds } from "./rounds.ts";
import {
  COPIED,
  SEALED,
  SEGMENT_TABLE_WORDS,
  SegmentTable,
  UNSYNCED,
} from "./segment_table.ts";
import { SharedMutex } from "./shared_mutex.ts";

// Words of the control block. Those marked (lock) are written with the write
// lock held.
const WRITE_LOCK = 0;
const FILE_ID = 1;
const ACTIVE_SEGMENT = 2; // (lock)
const ACTIVE_SIZE = 3; // (lock)
const SEQUENCE_LOW = 4; // (lock)
const SEQUENCE_HIGH = 5; // (lock)
const REFUSES_WRITES = 6;
const CLOSED = 7; // (lock)
const INSTANCES = 8;
const SEALED_UNSYNCED = 9; // (lock)
const SYNC_ROUNDS = 10;
const COMPACTION_ROUNDS = 12;
const COMPACTION_STOPS = 14;
const COMPACTION_FAILED = 15;
/** Two 64-bit floats: bytes before and after the last compaction. */
const COMPACTION_REPORT = 16;
const COMPACTS_ALL = 20;
const UPKEEP = 21;
/** Two 64-bit integers: the tickets of the newest append and the last sync. */
const TICKETS = 22;
const COMPACTION_RETRY = 26;
const SYNC_FAILED = 27;
/** UTF-8, up to its first zero byte: why writes are refused. */
const REFUSAL = 32;
const REFUSAL_WORDS = 64;
const TABLE = REFUSAL + REFUSAL_WORDS;

// Values of REFUSES_WRITES.
const REFUSING = 1;
/** The reason is there to be read. */
const REFUSES = 2;

const APPENDED = 0;
const SYNCED = 1;

/** Leaves 27 bits, half of the ids that an instance can have. */
const FIRST_INSTANCE_SHIFT = 5;

/** The greatest file id: the segment table has a use for the number after it. */
const LAST_FILE_ID = 0xffff_fffe;

/** Asking for it takes as long as asking for the time. */
const TIME_ORIGIN_MS = performance.timeOrigin;

/** After a failure nothing is compacted by itself for so long. */
const RETRY_AFTER_MS = 60_000;

/** The shared state of one open store. */
export class Control {
  readonly buffer: SharedArrayBuffer;
  /** Serialises writers: appends to the log, and changes of the index. */
  readonly writeLock: SharedMutex;
  /** What is known of each segment; see there for who may touch it. */
  readonly segments: SegmentTable;
  /** One instance syncs for all. */
  readonly syncRounds: Rounds;
  /** One instance compacts for all. */
  readonly compactionRounds: Rounds;
  /** This instance among the others. */
  readonly holder: Holder;
  readonly #instance: InstanceLock | undefined;
  readonly #words: Uint32Array;
  readonly #signed: Int32Array;
  readonly #report: Float64Array;
  readonly #tickets: BigInt64Array;

  private constructor(buffer: SharedArrayBuffer, directory?: string) {
    this.buffer = buffer;
    this.#words = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
    this.#report = new Float64Array(buffer, COMPACTION_REPORT * 4, 2);
    this.#tickets = new BigInt64Array(buffer, TICKETS * 4, 2);
    if (directory !== undefined) {
      // Its directory may be another process's by now.
      if (this.isClosed) throw new ClosedError("Store");
      const id = Atomics.add(this.#words, INSTANCES, 1) + 1;
      this.#instance = new InstanceLock(directory, id);
    }
    const holder = this.holder = this.#instance ?? UNKNOWN_HOLDER;
    this.writeLock = new SharedMutex(this.#signed, WRITE_LOCK, {
      holder,
      onAbandoned: () =>
        this.refuseWrites("a thread ended while it was writing"),
    });
    this.segments = new SegmentTable(this.#words, TABLE);
    this.syncRounds = new Rounds(this.#signed, SYNC_ROUNDS, holder);
    this.compactionRounds = new Rounds(this.#signed, COMPACTION_ROUNDS, holder);
  }

  /**
   * Makes the control block of a store that is being opened.
   *
   * @param directory The data directory, where other instances are to attach.
   */
  static create(directory?: string): Control {
    const buffer = new SharedArrayBuffer((TABLE + SEGMENT_TABLE_WORDS) * 4);
    // An instance of a store that was closed gives back the file of its id when
    // it closes itself, and that must not be the file of one of this store.
    const [random] = crypto.getRandomValues(new Uint32Array(1));
    new Uint32Array(buffer)[INSTANCES] = random >>> FIRST_INSTANCE_SHIFT;
    return new Control(buffer, directory);
  }

  /**
   * Attaches to another instance's control block, until {@linkcode detach}.
   *
   * @param buffer Its memory.
   * @param directory The data directory.
   * @throws {ClosedError} If the store was closed.
   */
  static attach(buffer: SharedArrayBuffer, directory: string): Control {
    return new Control(buffer, directory);
  }

  /** Gives this instance's place among the others back. */
  detach(): void {
    this.#instance?.release();
  }

  /** Runs something with the write lock held. Not for the hot path. */
  locked<T>(change: () => T): T {
    this.writeLock.lock();
    try {
      return change();
    } finally {
      this.writeLock.unlock();
    }
  }

  /**
   * Takes a file id that was never given out before.
   *
   * @throws {Error} If there is none left: they must not begin anew.
   */
  nextFileId(): number {
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

  /** Makes sure that no id up to this one is given out. */
  reserveFileIds(upTo: number): void {
    this.#words[FILE_ID] = Math.max(this.#words[FILE_ID], upTo);
  }

  /** The file id of the segment that is being appended to; 0 for none yet. */
  get activeSegment(): number {
    return Atomics.load(this.#words, ACTIVE_SEGMENT);
  }

  /** The active segment's size in bytes: where the next record begins. */
  get activeSize(): number {
    return this.#words[ACTIVE_SIZE];
  }

  /** The sequence number of the last write. */
  get sequence(): number {
    return this.#words[SEQUENCE_HIGH] * 2 ** 32 + this.#words[SEQUENCE_LOW];
  }

  set sequence(value: number) {
    this.#words[SEQUENCE_LOW] = value >>> 0;
    this.#words[SEQUENCE_HIGH] = Math.floor(value / 2 ** 32);
  }

  /** Whether a failure made it unsafe to go on writing. */
  get refusesWrites(): boolean {
    return Atomics.load(this.#words, REFUSES_WRITES) !== 0;
  }

  /** Whether that failure was one of a sync: no later one can be believed. */
  get hasFailedSync(): boolean {
    return Atomics.load(this.#words, SYNC_FAILED) !== 0;
  }

  /** Why writes are refused; `undefined` while they are not. */
  get refusal(): string | undefined {
    const state = Atomics.load(this.#words, REFUSES_WRITES);
    if (state === 0) return undefined;
    // Another thread is just writing it.
    if (state === REFUSING) return "a write failed";
    const bytes = this.#refusalBytes.slice();
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  /**
   * Makes every instance refuse writes until the store is opened anew.
   *
   * @param reason Why; the first one counts.
   */
  refuseWrites(reason: string): void {
    const words = this.#words;
    if (Atomics.compareExchange(words, REFUSES_WRITES, 0, REFUSING) !== 0) {
      return;
    }
    const room = new Uint8Array(REFUSAL_WORDS * 4);
    new TextEncoder().encodeInto(reason, room.subarray(0, -1));
    this.#refusalBytes.set(room);
    Atomics.store(words, REFUSES_WRITES, REFUSES);
  }

  get #refusalBytes(): Uint8Array {
    return new Uint8Array(this.buffer, REFUSAL * 4, REFUSAL_WORDS * 4);
  }

  /** Whether the instance that opened the store has closed it. */
  get isClosed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0;
  }

  /** Lets no instance write or read any more. */
  close(): void {
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
    if (this.refusesWrites) throw new WritesRefusedError(this.refusal!);
  }

  /**
   * Takes on the upkeep of the store if it is overdue: the timer of the
   * instance that opened it fires only if its thread's event loop goes round.
   *
   * @param afterMs How long ago the last upkeep was, in milliseconds.
   * @returns Whether it is this instance's to do now.
   */
  takeUpkeep(afterMs: number): boolean {
    const nowMs = clockMs();
    const lastMs = Atomics.load(this.#signed, UPKEEP);
    if ((nowMs - lastMs | 0) < afterMs) return false;
    const found = Atomics.compareExchange(this.#signed, UPKEEP, lastMs, nowMs);
    return found === lastMs;
  }

  /**
   * Does what must not be tried again if it fails: after a failed sync the
   * kernel may have dropped the pages, and a second one would say that all is
   * well (Rebello et al. 2020).
   *
   * @param path What is synced.
   * @param sync Syncs it.
   */
  orRefuseWrites(path: string, sync: () => void): void {
    try {
      sync();
    } catch (error) {
      throw this.syncFailed(path, error);
    }
  }

  /** Refuses writes from now on, and returns the error to be thrown. */
  syncFailed(path: string, error: unknown): unknown {
    Atomics.store(this.#words, SYNC_FAILED, 1);
    this.refuseWrites(`sync of "${path}" failed: ${asError(error).message}`);
    return error;
  }

  /** Makes another segment the active one, and seals the old. Lock held. */
  activate(id: number): void {
    const old = this.activeSegment;
    if (old !== 0) {
      this.segments.setFlags(old, SEALED);
      if (this.segments.flags(old) & UNSYNCED) this.#words[SEALED_UNSYNCED]++;
    }
    const { sizeBytes } = this.segments.get(id);
    this.segments.setFlags(id, 0, SEALED);
    this.#words[ACTIVE_SIZE] = sizeBytes;
    // Releases the count above: see unsyncedSegments().
    Atomics.store(this.#words, ACTIVE_SEGMENT, id);
  }

  /**
   * Notes that the active segment has grown. Lock held.
   *
   * @param sizeBytes Its new size.
   * @param firstSequence The smallest sequence number that was added.
   * @param lastSequence The greatest one, that of the last write from now on.
   * @returns The ticket of this append, for {@linkcode isSynced}.
   */
  appended(
    sizeBytes: number,
    firstSequence: number,
    lastSequence: number,
  ): number {
    const id = this.activeSegment;
    this.#words[ACTIVE_SIZE] = sizeBytes;
    this.segments.setSize(id, sizeBytes);
    this.segments.setFlags(id, UNSYNCED);
    this.segments.lowerMinSequence(id, firstSequence);
    this.sequence = lastSequence;
    // A leader that reads the ticket syncs the file with these bytes in it.
    Atomics.store(this.#tickets, APPENDED, BigInt(lastSequence));
    return lastSequence;
  }

  /** The ticket of the newest append. */
  get appendedTicket(): number {
    return Number(Atomics.load(this.#tickets, APPENDED));
  }

  /** Whether the append with this ticket has been synced. */
  isSynced(ticket: number): boolean {
    return Number(Atomics.load(this.#tickets, SYNCED)) >= ticket;
  }

  /** Notes that all appends up to this ticket are synced. */
  synced(ticket: number): void {
    const next = BigInt(ticket);
    for (;;) {
      const known = Atomics.load(this.#tickets, SYNCED);
      if (known >= next) return;
      const found = Atomics.compareExchange(this.#tickets, SYNCED, known, next);
      if (found === known) return;
    }
  }

  /**
   * Notes that a segment has got copies, which no acknowledged write waits for:
   * they must be on disk only before their originals go. Lock held.
   *
   * @param id The segment.
   * @param sizeBytes Its new size.
   * @param minSequence The smallest sequence number in it.
   */
  copied(id: number, sizeBytes: number, minSequence: number): void {
    this.segments.setSize(id, sizeBytes);
    this.segments.setFlags(id, COPIED);
    this.segments.lowerMinSequence(id, minSequence);
  }

  /**
   * The segments whose last appends may not be on disk: sealed ones, and the
   * active one, which is always named, or 0 where there is none.
   */
  unsyncedSegments(): { sealed: number[]; active: number } {
    // In this order: a segment that was active when its append got a ticket is
    // either still active here, or has been counted as sealed by the next line.
    const active = this.activeSegment;
    if (Atomics.load(this.#words, SEALED_UNSYNCED) === 0) {
      return { sealed: [], active };
    }
    return this.locked(() => ({
      sealed: this.segments.list()
        .filter(({ flags }) => flags & SEALED && flags & UNSYNCED)
        .map(({ id }) => id),
      active: this.activeSegment,
    }));
  }

  /** The segments with copies that may not be on disk. */
  unsyncedCopies(): number[] {
    return this.locked(() => this.segments.list())
      .filter(({ flags }) => flags & COPIED)
      .map(({ id }) => id);
  }

  /** Notes that copies in segments were synced; nothing was added meanwhile. */
  markCopiesSynced(ids: readonly number[]): void {
    this.locked(() => {
      for (const id of ids) {
        if (this.segments.has(id)) this.segments.setFlags(id, 0, COPIED);
      }
    });
  }

  /** Notes that segments were synced that had been sealed before. */
  markSynced(ids: readonly number[]): void {
    if (ids.length === 0) return;
    this.locked(() => {
      for (const id of ids) {
        if (!this.segments.has(id)) continue;
        if ((this.segments.flags(id) & UNSYNCED) === 0) continue;
        this.segments.setFlags(id, 0, UNSYNCED);
        this.#words[SEALED_UNSYNCED]--;
      }
    });
  }

  /** Takes a sealed segment out of the table. Lock held. */
  dropSegment(id: number): void {
    if (this.segments.flags(id) & UNSYNCED) this.#words[SEALED_UNSYNCED]--;
    this.segments.drop(id);
  }

  /** Whether the compaction that is under way should end early. */
  get stopsCompaction(): boolean {
    return Atomics.load(this.#words, COMPACTION_STOPS) !== 0;
  }

  set stopsCompaction(stop: boolean) {
    Atomics.store(this.#words, COMPACTION_STOPS, stop ? 1 : 0);
  }

  /** Whether the compaction under way takes all that can be reclaimed. */
  get compactsAll(): boolean {
    return Atomics.load(this.#words, COMPACTS_ALL) !== 0;
  }

  set compactsAll(all: boolean) {
    Atomics.store(this.#words, COMPACTS_ALL, all ? 1 : 0);
  }

  /** Whether a compaction has failed a while ago, and may fail again. */
  get compactionPauses(): boolean {
    const retryMs = Atomics.load(this.#signed, COMPACTION_RETRY);
    const leftMs = retryMs - clockMs() | 0;
    return retryMs !== 0 && leftMs > 0 && leftMs <= RETRY_AFTER_MS;
  }

  /** Notes that a compaction has failed. */
  pauseCompaction(): void {
    const retryMs = clockMs() + RETRY_AFTER_MS | 0;
    Atomics.store(this.#signed, COMPACTION_RETRY, retryMs);
  }

  /** What the last compaction did; `undefined` where it failed. */
  get compactionReport(): CompactionReport | undefined {
    if (Atomics.load(this.#words, COMPACTION_FAILED) !== 0) return undefined;
    return { bytesBefore: this.#report[0], bytesAfter: this.#report[1] };
  }

  set compactionReport(report: CompactionReport | undefined) {
    if (report !== undefined) {
      this.#report[0] = report.bytesBefore;
      this.#report[1] = report.bytesAfter;
    }
    Atomics.store(this.#words, COMPACTION_FAILED, report === undefined ? 1 : 0);
  }
}

/** A clock of all threads, in ms. It wraps at 32 bits: only differences count. */
function clockMs(): number {
  return TIME_ORIGIN_MS + performance.now() | 0;
}
