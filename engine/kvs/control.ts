/**
 * The words of shared memory by which all instances of a store agree on the
 * state of its log.
 *
 * @module
 */

import type { CompactionReport } from "../engine.ts";
import { Rounds } from "./rounds.ts";
import {
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
const APPENDED = 7; // (lock)
const SYNCED = 8;
const SEALED_UNSYNCED = 9; // (lock)
const SYNC_ROUNDS = 10;
const COMPACTION_ROUNDS = 12;
const COMPACTION_STOPS = 14;
const COMPACTION_FAILED = 15;
/** Two 64-bit floats: bytes before and after the last compaction. */
const COMPACTION_REPORT = 16;
const COMPACTS_ALL = 20;
const TABLE = 32;

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
  readonly #words: Uint32Array;
  readonly #signed: Int32Array;
  readonly #report: Float64Array;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Uint32Array(buffer);
    this.#signed = new Int32Array(buffer);
    this.#report = new Float64Array(buffer, COMPACTION_REPORT * 4, 2);
    this.writeLock = new SharedMutex(this.#signed, WRITE_LOCK);
    this.segments = new SegmentTable(this.#words, TABLE);
    this.syncRounds = new Rounds(this.#signed, SYNC_ROUNDS);
    this.compactionRounds = new Rounds(this.#signed, COMPACTION_ROUNDS);
  }

  /** Makes the control block of a store that is being opened. */
  static create(): Control {
    return new Control(
      new SharedArrayBuffer((TABLE + SEGMENT_TABLE_WORDS) * 4),
    );
  }

  /** Attaches to another instance's control block. */
  static attach(buffer: SharedArrayBuffer): Control {
    return new Control(buffer);
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

  /** Takes a file id that was never given out before. */
  nextFileId(): number {
    return Atomics.add(this.#words, FILE_ID, 1) + 1;
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

  /** Makes every instance refuse writes until the store is opened anew. */
  refuseWrites(): void {
    Atomics.store(this.#words, REFUSES_WRITES, 1);
  }

  /**
   * Does what must not be tried again if it fails: after a failed sync the
   * kernel may have dropped the pages, and a second one would say that all is
   * well (Rebello et al. 2020).
   */
  orRefuseWrites(sync: () => void): void {
    try {
      sync();
    } catch (error) {
      this.refuseWrites();
      throw error;
    }
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
   * @returns The ticket of this append, for {@linkcode isSynced}.
   */
  appended(sizeBytes: number, firstSequence: number): number {
    const id = this.activeSegment;
    this.#words[ACTIVE_SIZE] = sizeBytes;
    this.segments.setSize(id, sizeBytes);
    this.segments.setFlags(id, UNSYNCED);
    this.segments.lowerMinSequence(id, firstSequence);
    // Whoever reads the ticket may sync the file and have these bytes in it.
    return Atomics.add(this.#signed, APPENDED, 1) + 1 | 0;
  }

  /** The ticket of the newest append. Tickets wrap at 32 bits. */
  get appendedTicket(): number {
    return Atomics.load(this.#signed, APPENDED);
  }

  /** Whether the append with this ticket has been synced. */
  isSynced(ticket: number): boolean {
    return (Atomics.load(this.#signed, SYNCED) - ticket | 0) >= 0;
  }

  /** Notes that all appends up to this ticket are synced. Sync leader only. */
  synced(ticket: number): void {
    Atomics.store(this.#signed, SYNCED, ticket);
  }

  /**
   * The segments whose last bytes may not be on disk: sealed ones, and the
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

  /** What the last compaction did; `undefined` where it failed. */
  get compactionReport(): CompactionReport | undefined {
    if (Atomics.load(this.#words, COMPACTION_FAILED) !== 0) return undefined;
    return { bytesBefore: this.#report[0], bytesAfter: this.#report[1] };
  }

  set compactionReport(report: CompactionReport | undefined) {
    this.#report[0] = report?.bytesBefore ?? 0;
    this.#report[1] = report?.bytesAfter ?? 0;
    Atomics.store(this.#words, COMPACTION_FAILED, report === undefined ? 1 : 0);
  }
}
