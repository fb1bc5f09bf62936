/**
 * What all instances of a store know of its segments, in shared memory.
 *
 * @module
 */

/** The most segments a store can have at once. */
const MAX_SEGMENTS = 16_384;

/**
 * Rows that are kept for what compaction writes: a store with as many segments
 * as it can have must still be able to give some of them back.
 */
const SPARE_ROWS = 64;

const ROW_WORDS = 8;
const ROW_ID = 0;
const ROW_SIZE = 1;
const ROW_DEAD = 2;
const ROW_DEAD_RECORDS = 3;
const ROW_TOMBSTONES = 4;
const ROW_MIN_SEQUENCE_LOW = 5;
const ROW_MIN_SEQUENCE_HIGH = 6;
const ROW_FLAGS = 7;

// Words before the rows.
/** How many rows, from the first, have ever been used. */
const USED_ROWS = 0;
/** How many segments there are. */
const COUNT = 1;
/** The file id of the segment that is appended to; 0 for none yet. */
const ACTIVE = 2;
const ACTIVE_SIZE = 3;
/** How many sealed segments have appends that may not be on disk. */
const SEALED_UNSYNCED = 4;
const FIRST_ROW = 5;

/** Words of shared memory that a {@linkcode SegmentTable} takes. */
export const SEGMENT_TABLE_WORDS = FIRST_ROW + MAX_SEGMENTS * ROW_WORDS;

/** In place of an id: the row was used, and a search goes on after it. */
const FREED = 0xffff_ffff;

/** No more records are appended. */
export const SEALED = 1;
/** Written since it was last synced. */
export const UNSYNCED = 2;
/** Part of it can't be read; compaction leaves it alone. */
export const DAMAGED = 4;

/** It has a hint file. */
export const HINTED = 8;

/** It has copies that compaction made since it was last synced. */
export const COPIED = 16;

/** It has what an unsound record hides; compaction leaves it alone. */
export const HELD = 32;

/** What is known of one segment. */
export interface SegmentState {
  /** The file id. */
  readonly id: number;
  /** The file's size in bytes. */
  readonly sizeBytes: number;
  /** Bytes of records that a later write has made worthless. */
  readonly deadBytes: number;
  /** The number of such records. */
  readonly deadRecords: number;
  /** Bytes of tombstones. */
  readonly tombstoneBytes: number;
  /** The smallest sequence number in it; `Infinity` where it is empty. */
  readonly minSequence: number;
  /**
   * `SEALED`, `UNSYNCED`, `DAMAGED`, `HINTED`, `COPIED` and `HELD`, as they
   * apply.
   */
  readonly flags: number;
}

/** What all segments are together. */
export interface SegmentTotals {
  /** How many they are. */
  readonly segments: number;
  /** What they take on disk, in bytes. */
  readonly sizeBytes: number;
  /** What of it dead records and tombstones take, in bytes. */
  readonly deadBytes: number;
}

/**
 * A table from file id to {@linkcode SegmentState}, open addressing on the id,
 * and which segment is the active one. It is read and changed with the write
 * lock held, or before the store is shared; {@linkcode active} and
 * {@linkcode hasSealedUnsynced} may be read without.
 */
export class SegmentTable {
  readonly #words: Uint32Array;
  readonly #at: number;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode SEGMENT_TABLE_WORDS} words, at first
   * zero.
   */
  constructor(words: Uint32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /**
   * Adds a sealed segment.
   *
   * @param id Its file id.
   * @param sizeBytes Its size.
   * @param spare Whether it may have one of the spare rows.
   * @throws {Error} If there are too many.
   */
  add(id: number, sizeBytes: number, { spare = true } = {}): void {
    const words = this.#words;
    const limit = spare ? MAX_SEGMENTS : MAX_SEGMENTS - SPARE_ROWS;
    if (words[this.#at + COUNT] >= limit) {
      throw new Error(
        `Cannot add a segment: the store has ${limit} already; compact it, or open it with larger segments (segmentBytes)`,
      );
    }
    words[this.#at + COUNT]++;
    for (let i = 0; i < MAX_SEGMENTS; i++) {
      const row = this.#row(id + i);
      if (words[row + ROW_ID] !== 0 && words[row + ROW_ID] !== FREED) continue;
      // First, so that a reader without the lock misses no other segment.
      this.#use(row);
      words.fill(0, row, row + ROW_WORDS);
      words[row + ROW_ID] = id;
      words[row + ROW_SIZE] = sizeBytes;
      words[row + ROW_MIN_SEQUENCE_LOW] = 0xffff_ffff;
      words[row + ROW_MIN_SEQUENCE_HIGH] = 0xffff_ffff;
      words[row + ROW_FLAGS] = SEALED;
      return;
    }
  }

  /** The file id of the segment that is appended to; 0 for none yet. */
  get active(): number {
    return Atomics.load(this.#words, this.#at + ACTIVE);
  }

  /** The active segment's size in bytes: where the next record begins. */
  get activeSize(): number {
    return this.#words[this.#at + ACTIVE_SIZE];
  }

  /** Makes another segment the active one, and seals the old. */
  activate(id: number): void {
    const words = this.#words;
    const old = this.active;
    if (old !== 0) {
      this.setFlags(old, SEALED);
      if (this.flags(old) & UNSYNCED) words[this.#at + SEALED_UNSYNCED]++;
    }
    this.setFlags(id, 0, SEALED);
    words[this.#at + ACTIVE_SIZE] = words[this.#rowOf(id) + ROW_SIZE];
    // Releases the count above: a thread that reads the new id, and not the
    // old one, finds the old segment among the sealed ones.
    Atomics.store(words, this.#at + ACTIVE, id);
  }

  /**
   * Notes that the active segment has grown.
   *
   * @param bytes By how much.
   * @param minSequence The smallest sequence number that was added.
   */
  grow(bytes: number, minSequence: number): void {
    const words = this.#words;
    const row = this.#rowOf(this.active);
    const sizeBytes = words[this.#at + ACTIVE_SIZE] += bytes;
    words[row + ROW_SIZE] = sizeBytes;
    words[row + ROW_FLAGS] |= UNSYNCED;
    this.#lowerMinSequence(row, minSequence);
  }

  /**
   * Whether a sealed segment has appends that may not be on disk. Where
   * {@linkcode active} is read before, no append is missed: a segment that was
   * active as its append was counted either is still, or counts as sealed here.
   */
  get hasSealedUnsynced(): boolean {
    return Atomics.load(this.#words, this.#at + SEALED_UNSYNCED) !== 0;
  }

  /** Notes that a sealed segment, if it is still there, is on disk. */
  clearUnsynced(id: number): void {
    const row = this.#findRow(id);
    if (row === undefined) return;
    if ((this.#words[row + ROW_FLAGS] & UNSYNCED) === 0) return;
    this.#words[row + ROW_FLAGS] &= ~UNSYNCED;
    this.#words[this.#at + SEALED_UNSYNCED]--;
  }

  /** Adds a segment as a checkpoint has it: sealed, and on disk. */
  restore(segment: SegmentState): void {
    this.add(segment.id, segment.sizeBytes);
    const row = this.#rowOf(segment.id);
    const words = this.#words;
    words[row + ROW_DEAD] = segment.deadBytes;
    words[row + ROW_DEAD_RECORDS] = segment.deadRecords;
    words[row + ROW_TOMBSTONES] = segment.tombstoneBytes;
    words[row + ROW_FLAGS] = segment.flags & ~(UNSYNCED | COPIED) | SEALED;
    if (segment.minSequence !== Infinity) {
      this.lowerMinSequence(segment.id, segment.minSequence);
    }
  }

  /** Takes a segment out. */
  drop(id: number): void {
    this.clearUnsynced(id);
    this.#words[this.#rowOf(id) + ROW_ID] = FREED;
    this.#words[this.#at + COUNT]--;
  }

  /** Whether a segment is there. */
  has(id: number): boolean {
    return this.#findRow(id) !== undefined;
  }

  /** A segment's flags. */
  flags(id: number): number {
    return this.#words[this.#rowOf(id) + ROW_FLAGS];
  }

  /** Sets and clears flags of a segment. */
  setFlags(id: number, set: number, clear = 0): void {
    const at = this.#rowOf(id) + ROW_FLAGS;
    this.#words[at] = this.#words[at] & ~clear | set;
  }

  /** Notes the size that a segment has now, in bytes. */
  setSize(id: number, sizeBytes: number): void {
    this.#words[this.#rowOf(id) + ROW_SIZE] = sizeBytes;
  }

  /** Notes that a segment holds a record with this sequence number. */
  lowerMinSequence(id: number, sequence: number): void {
    this.#lowerMinSequence(this.#rowOf(id), sequence);
  }

  #lowerMinSequence(row: number, sequence: number): void {
    const words = this.#words;
    if (sequence >= this.#minSequence(row)) return;
    words[row + ROW_MIN_SEQUENCE_LOW] = sequence >>> 0;
    words[row + ROW_MIN_SEQUENCE_HIGH] = Math.floor(sequence / 2 ** 32);
  }

  /**
   * Notes that a segment has got copies.
   *
   * @param id The segment.
   * @param sizeBytes Its new size.
   * @param minSequence The smallest sequence number in it.
   */
  copied(id: number, sizeBytes: number, minSequence: number): void {
    this.setSize(id, sizeBytes);
    this.setFlags(id, COPIED);
    this.lowerMinSequence(id, minSequence);
  }

  /** Notes that a record of a segment has been overwritten or removed. */
  addDead(id: number, bytes: number): void {
    const row = this.#rowOf(id);
    this.#words[row + ROW_DEAD] += bytes;
    this.#words[row + ROW_DEAD_RECORDS]++;
  }

  /** Notes that a segment has got a tombstone, or several. */
  addTombstones(id: number, bytes: number): void {
    this.#words[this.#rowOf(id) + ROW_TOMBSTONES] += bytes;
  }

  /** One segment as it stands. */
  get(id: number): SegmentState {
    return this.#state(this.#rowOf(id));
  }

  /** All segments as they stand, in order of file id. */
  list(): SegmentState[] {
    const states: SegmentState[] = [];
    const used = this.#usedRows;
    for (let i = 0; i < used; i++) {
      const id = this.#words[this.#row(i) + ROW_ID];
      if (id !== 0 && id !== FREED) states.push(this.#state(this.#row(i)));
    }
    return states.sort((a, b) => a.id - b.id);
  }

  /** What all segments are together. */
  totals(): SegmentTotals {
    const words = this.#words;
    const totals = { segments: 0, sizeBytes: 0, deadBytes: 0 };
    const used = this.#usedRows;
    for (let i = 0; i < used; i++) {
      const row = this.#row(i);
      if (words[row + ROW_ID] === 0 || words[row + ROW_ID] === FREED) continue;
      totals.segments++;
      totals.sizeBytes += words[row + ROW_SIZE];
      totals.deadBytes += words[row + ROW_DEAD] + words[row + ROW_TOMBSTONES];
    }
    return totals;
  }

  #state(row: number): SegmentState {
    const words = this.#words;
    return {
      id: words[row + ROW_ID],
      sizeBytes: words[row + ROW_SIZE],
      deadBytes: words[row + ROW_DEAD],
      deadRecords: words[row + ROW_DEAD_RECORDS],
      tombstoneBytes: words[row + ROW_TOMBSTONES],
      minSequence: this.#minSequence(row),
      flags: words[row + ROW_FLAGS],
    };
  }

  #minSequence(row: number): number {
    const low = this.#words[row + ROW_MIN_SEQUENCE_LOW];
    const high = this.#words[row + ROW_MIN_SEQUENCE_HIGH];
    return high === 0xffff_ffff ? Infinity : high * 2 ** 32 + low;
  }

  #rowOf(id: number): number {
    const row = this.#findRow(id);
    if (row === undefined) throw new Error(`Segment ${id} is not in the table`);
    return row;
  }

  #findRow(id: number): number | undefined {
    for (let i = 0; i < MAX_SEGMENTS; i++) {
      const row = this.#row(id + i);
      if (this.#words[row + ROW_ID] === id) return row;
      if (this.#words[row + ROW_ID] === 0) return undefined;
    }
    return undefined;
  }

  #row(n: number): number {
    return this.#at + FIRST_ROW + n % MAX_SEGMENTS * ROW_WORDS;
  }

  /** It never shrinks, so every segment that was there before is below. */
  get #usedRows(): number {
    return Atomics.load(this.#words, this.#at + USED_ROWS);
  }

  #use(row: number): void {
    const used = (row - this.#at - FIRST_ROW) / ROW_WORDS + 1;
    if (used <= this.#usedRows) return;
    Atomics.store(this.#words, this.#at + USED_ROWS, used);
  }
}
