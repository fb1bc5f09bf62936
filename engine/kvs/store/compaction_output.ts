/**
 * Where compaction copies live records to.
 *
 * @module
 */

import type { Log } from "../log/log.ts";
import type { CompactionState } from "./compaction_state.ts";
import type { LogPointer } from "../index/log_pointer.ts";
import { SEGMENT_HEADER_BYTES } from "../log/segment.ts";
import type { Keydir } from "../index/keydir.ts";

/** Copies are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 256 * 1024;

/** Pointers moved in one hold of the write lock: some tens of microseconds. */
const MOVES_PER_LOCK = 32;

/** What a compaction works on: one instance's view of an open store. */
export interface CompactionContext {
  readonly log: Log;
  readonly index: Keydir;
  readonly state: CompactionState;
}

/** A copied record whose key is to be moved to it. */
interface Move {
  readonly key: Uint8Array;
  readonly from: LogPointer;
  readonly to: LogPointer;
}

/**
 * The segments that a compaction copies live records to, one after another.
 *
 * Copies are gathered, written and counted in the segment table, and then the
 * keys are moved to them, a few for each hold of the write lock. So a segment
 * never holds a record that the table does not know of: whatever fails in
 * between, tombstones stay as long as there is something for them to hide.
 */
export class CompactionOutput implements Disposable {
  readonly #log: Log;
  readonly #index: Keydir;
  /** The segment that is written to, 0 for none yet. */
  #id = 0;
  /** Its size, without what is gathered. */
  #sizeBytes = 0;
  readonly #buffer = new Uint8Array(GATHER_BYTES);
  #gathered = 0;
  readonly #moves: Move[] = [];
  #tombstoneBytes = 0;
  #minSequence = Infinity;

  /** @param context The store. */
  constructor({ log, index }: CompactionContext) {
    this.#log = log;
    this.#index = index;
  }

  /**
   * Copies a live record.
   *
   * @param key Its key; not kept.
   * @param record The whole record; not kept.
   * @param from Where it is now.
   */
  addValue(key: Uint8Array, record: Uint8Array, from: LogPointer): void {
    this.#makeRoom(record.length);
    const offset = this.#sizeBytes + this.#gathered;
    this.#moves.push({
      key: key.slice(),
      from: { ...from },
      to: { ...from, segment: this.#id, offset },
    });
    this.#add(record, from.sequence);
  }

  /**
   * Copies a tombstone.
   *
   * @param record The whole record; not kept.
   * @param sequence Its sequence number.
   */
  addTombstone(record: Uint8Array, sequence: number): void {
    this.#makeRoom(record.length);
    this.#tombstoneBytes += record.length;
    this.#add(record, sequence);
  }

  /** Writes what is gathered, and moves the keys over. */
  flush(): void {
    this.#append(this.#buffer.subarray(0, this.#gathered));
  }

  /** Forgets what is not written yet, after a failure. */
  abandon(): void {
    this.#forgetGathered();
    this[Symbol.dispose]();
  }

  /** Ends the segment; one to which nothing was written goes. */
  [Symbol.dispose](): void {
    const id = this.#id;
    this.#id = 0;
    if (id === 0 || this.#sizeBytes > SEGMENT_HEADER_BYTES) return;
    this.#log.discardCopies(id);
  }

  /** Makes room for a record in the segment and in the buffer. */
  #makeRoom(length: number): void {
    const sizeBytes = this.#sizeBytes + this.#gathered;
    const full = sizeBytes > SEGMENT_HEADER_BYTES &&
      sizeBytes + length > this.#log.segmentBytes;
    if (this.#gathered + length > GATHER_BYTES || full) this.flush();
    if (this.#id === 0 || full) this.#begin();
  }

  #add(record: Uint8Array, sequence: number): void {
    this.#minSequence = Math.min(this.#minSequence, sequence);
    if (record.length > GATHER_BYTES) {
      // Nothing is gathered before it; it goes to the file as it is.
      this.#append(record);
    } else {
      this.#buffer.set(record, this.#gathered);
      this.#gathered += record.length;
    }
  }

  #begin(): void {
    this[Symbol.dispose]();
    this.#minSequence = Infinity;
    this.#sizeBytes = SEGMENT_HEADER_BYTES;
    this.#id = this.#log.beginCopies();
  }

  /** Writes records, counts them, and moves their keys over. */
  #append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#log.appendCopies(bytes, {
      id: this.#id,
      sizeBytes: this.#sizeBytes,
      minSequence: this.#minSequence,
      tombstoneBytes: this.#tombstoneBytes,
    });
    this.#sizeBytes += bytes.length;
    const moves = this.#moves.slice();
    this.#forgetGathered();
    this.#move(moves);
  }

  #move(moves: readonly Move[]): void {
    const log = this.#log;
    const index = this.#index;
    let failure: unknown;
    for (let at = 0; at < moves.length; at += MOVES_PER_LOCK) {
      log.lockedOrRefuse("copies could not be counted", () => {
        for (const { key, from, to } of moves.slice(at, at + MOVES_PER_LOCK)) {
          let moved = false;
          try {
            moved = failure === undefined && index.move(key, from, to);
          } catch (error) {
            failure = error;
          }
          // A copy whose key was overwritten or removed since it was looked
          // up is dead on arrival, and tombstones must know of it.
          const dead = moved ? from : to;
          log.segments.addDead(dead.segment, dead.length);
        }
      });
    }
    if (failure !== undefined) throw failure;
  }

  #forgetGathered(): void {
    this.#gathered = 0;
    this.#moves.length = 0;
    this.#tombstoneBytes = 0;
  }
}
