/**
 * Where compaction copies live records to.
 *
 * @module
 */

import { syncDirectory, writeAll } from "../files.ts";
import type { Control } from "./control.ts";
import type { LogPointer } from "./log_pointer.ts";
import { createSegment, SEGMENT_HEADER_BYTES, segmentPath } from "./segment.ts";
import type { SkipMap } from "./skip_map.ts";

/** Copies are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 256 * 1024;

/** Pointers moved in one hold of the write lock: some tens of microseconds. */
const MOVES_PER_LOCK = 32;

/** What a compaction works on: one instance's view of an open store. */
export interface CompactionContext {
  /** The data directory. */
  readonly directory: string;
  /** The store's shared state. */
  readonly control: Control;
  /** The store's index. */
  readonly index: SkipMap;
  /** The size at which a segment is sealed, in bytes. */
  readonly segmentBytes: number;
}

/**
 * The segments that a compaction copies live records to, one after another.
 *
 * Copies are gathered, written, and then the keys are moved to them, a few for
 * each hold of the write lock.
 */
export class CompactionOutput implements Disposable {
  readonly #context: CompactionContext;
  #file: Deno.FsFile | undefined;
  #id = 0;
  #sizeBytes = 0;
  readonly #buffer = new Uint8Array(GATHER_BYTES);
  #gathered = 0;
  readonly #moves: { key: Uint8Array; from: LogPointer; to: LogPointer }[] = [];
  #tombstoneBytes = 0;
  #minSequence = Infinity;

  /** @param context The store. */
  constructor(context: CompactionContext) {
    this.#context = context;
  }

  /**
   * Copies a live record.
   *
   * @param key Its key; not kept.
   * @param record The whole record; not kept.
   * @param from Where it is now.
   */
  addValue(key: Uint8Array, record: Uint8Array, from: LogPointer): void {
    const offset = this.#add(record, from.sequence);
    this.#moves.push({
      key: key.slice(),
      from: { ...from },
      to: { ...from, segment: this.#id, offset },
    });
  }

  /**
   * Copies a tombstone.
   *
   * @param record The whole record; not kept.
   * @param sequence Its sequence number.
   */
  addTombstone(record: Uint8Array, sequence: number): void {
    this.#add(record, sequence);
    this.#tombstoneBytes += record.length;
  }

  /** Returns where in the segment the record will be. */
  #add(record: Uint8Array, sequence: number): number {
    const at = () => this.#sizeBytes + this.#gathered;
    const full = at() + record.length > this.#context.segmentBytes;
    if (this.#file === undefined || full && at() > SEGMENT_HEADER_BYTES) {
      this.flush();
      this.#begin();
    } else if (this.#gathered + record.length > GATHER_BYTES) {
      this.flush();
    }
    const offset = at();
    this.#minSequence = Math.min(this.#minSequence, sequence);
    if (record.length > GATHER_BYTES) {
      // Nothing is gathered before it; it goes to the file as it is.
      this.#write(record);
    } else {
      this.#buffer.set(record, this.#gathered);
      this.#gathered += record.length;
    }
    return offset;
  }

  /** Writes what is gathered, and moves the keys over. */
  flush(): void {
    if (this.#file === undefined) return;
    if (this.#gathered > 0) {
      this.#write(this.#buffer.subarray(0, this.#gathered));
      this.#gathered = 0;
    }
    const { control, index } = this.#context;
    control.locked(() => {
      control.segments.setSize(this.#id, this.#sizeBytes);
      control.segments.lowerMinSequence(this.#id, this.#minSequence);
      if (this.#tombstoneBytes > 0) {
        control.segments.addTombstones(this.#id, this.#tombstoneBytes);
      }
      this.#tombstoneBytes = 0;
    });
    let failure: unknown;
    for (let at = 0; at < this.#moves.length; at += MOVES_PER_LOCK) {
      control.locked(() => {
        for (
          const { key, from, to } of this.#moves.slice(at, at + MOVES_PER_LOCK)
        ) {
          let moved = false;
          try {
            moved = failure === undefined && index.move(key, from, to);
          } catch (error) {
            failure = error;
          }
          // A copy whose key was overwritten or removed since it was looked
          // up is dead on arrival, and tombstones must know of it.
          const dead = moved ? from : to;
          control.segments.addDead(dead.segment, dead.length);
        }
      });
    }
    this.#moves.length = 0;
    if (failure !== undefined) throw failure;
  }

  /** Makes the copies durable. */
  sync(): void {
    this.#context.control.orRefuseWrites(() => this.#file?.syncDataSync());
  }

  /** Forgets what is not written yet, after a failure. */
  abandon(): void {
    this.#gathered = 0;
    this.#moves.length = 0;
    this.#tombstoneBytes = 0;
    this[Symbol.dispose]();
  }

  /** Closes the file; one in which nothing was written goes. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = undefined;
    if (this.#sizeBytes !== SEGMENT_HEADER_BYTES) return;
    this.#sizeBytes = 0;
    const { control, directory } = this.#context;
    Deno.removeSync(segmentPath(directory, this.#id));
    control.locked(() => {
      if (control.segments.has(this.#id)) control.dropSegment(this.#id);
    });
  }

  #begin(): void {
    const { control, directory } = this.#context;
    this.sync();
    this[Symbol.dispose]();
    const id = control.nextFileId();
    this.#file = createSegment(directory, id);
    this.#id = id;
    this.#sizeBytes = SEGMENT_HEADER_BYTES;
    this.#minSequence = Infinity;
    syncDirectory(directory);
    control.locked(() => control.segments.add(id, SEGMENT_HEADER_BYTES));
  }

  #write(bytes: Uint8Array): void {
    try {
      writeAll(this.#file!, bytes);
    } catch (error) {
      // Whole copies may stay, they equal their originals; a part may not.
      this.#file!.truncateSync(this.#sizeBytes);
      throw error;
    }
    this.#sizeBytes += bytes.length;
  }
}
