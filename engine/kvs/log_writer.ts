/**
 * Appending to the log.
 *
 * @module
 */

import type { TextWrite, Write, WriteOutcome } from "../engine.ts";
import { writeAll } from "../files.ts";
import type { Control } from "./control.ts";
import { emptyPointer, type LogPointer } from "./log_pointer.ts";
import { encodeRecord, MAX_SEQUENCE, recordLength } from "./record.ts";
import { createSegment, SEGMENT_HEADER_BYTES, segmentPath } from "./segment.ts";
import type { SkipMap } from "./skip_map.ts";
import { TextBytes } from "./text_bytes.ts";

/** Records are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 1 << 20;

/** The largest record: its place and length must fit in 32 bits. */
const MAX_RECORD_BYTES = 2 ** 31;

/**
 * Appends writes to the active segment and publishes them in the index.
 *
 * Each instance of a store has its own; the write lock makes them take turns.
 * The order of events is what makes an append safe: memory for the index entry
 * is set aside, then the records go to the file in one call, then the entries
 * are published. A failure before the last step is taken back whole.
 */
export class LogWriter {
  readonly #directory: string;
  readonly #control: Control;
  readonly #index: SkipMap;
  readonly #segmentBytes: number;
  #file: Deno.FsFile | undefined;
  #fileId = 0;
  /** Records gathered for one write call. */
  #buffer = new Uint8Array(64 * 1024);
  #gathered = 0;
  /** For each gathered set: its place in the batch and its index entry. */
  readonly #places: number[] = [];
  readonly #prepared: number[] = [];
  readonly #pointer: LogPointer = emptyPointer();
  readonly #previous: LogPointer = emptyPointer();
  readonly #keyText = new TextBytes();
  readonly #valueText = new TextBytes();
  #ticket: number;

  /**
   * @param directory The data directory.
   * @param control The store's shared state.
   * @param index The store's index.
   * @param segmentBytes The size at which a segment is sealed, in bytes.
   */
  constructor(
    directory: string,
    control: Control,
    index: SkipMap,
    segmentBytes: number,
  ) {
    this.#directory = directory;
    this.#control = control;
    this.#index = index;
    this.#segmentBytes = segmentBytes;
    this.#ticket = control.appendedTicket;
  }

  /** The ticket of this instance's last append. */
  get ticket(): number {
    return this.#ticket;
  }

  /**
   * Appends a batch and makes it visible.
   *
   * @param batch The writes, in order, each in bytes or in text.
   * @returns What became of each.
   */
  write(batch: readonly (Write | TextWrite)[]): WriteOutcome[] {
    const outcomes: WriteOutcome[] = new Array(batch.length);
    const lock = this.#control.writeLock;
    lock.lock();
    try {
      for (let i = 0; i < batch.length; i++) {
        try {
          if (this.#control.refusesWrites) throw new WritesRefusedError();
          const key = bytesOf(batch[i].key, this.#keyText);
          const given = batch[i].value;
          const value = given === undefined
            ? undefined
            : bytesOf(given, this.#valueText);
          outcomes[i] = value === undefined
            ? this.#remove(key, outcomes)
            : this.#gather(key, value, i, outcomes);
        } catch (error) {
          outcomes[i] = asError(error);
        }
      }
      this.#append(outcomes);
    } finally {
      lock.unlock();
    }
    return outcomes;
  }

  /** Closes the file. */
  close(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#fileId = 0;
  }

  /** Adds a set to the gathered records. */
  #gather(
    key: Uint8Array,
    value: Uint8Array,
    place: number,
    outcomes: WriteOutcome[],
  ): true {
    const length = this.#makeRoom(key, value.length, outcomes);
    const pointer = this.#pointer;
    pointer.segment = this.#control.activeSegment;
    pointer.offset = this.#control.activeSize + this.#gathered;
    pointer.length = length;
    pointer.sequence = this.#nextSequence();
    this.#prepared.push(this.#index.prepare(key, pointer));
    this.#places.push(place);
    this.#gathered = encodeRecord(
      this.#buffer,
      this.#gathered,
      pointer.sequence,
      key,
      value,
    );
    return true;
  }

  /** Appends a tombstone by itself, since it must know what is there. */
  #remove(key: Uint8Array, outcomes: WriteOutcome[]): boolean {
    this.#append(outcomes);
    if (!this.#index.get(key, this.#previous)) return false;
    const length = this.#makeRoom(key, 0, outcomes);
    const sequence = this.#nextSequence();
    encodeRecord(this.#buffer, 0, sequence, key, undefined);
    this.#writeFile(length);
    const control = this.#control;
    control.sequence = sequence;
    this.#ticket = control.appended(control.activeSize + length, sequence);
    this.#index.remove(key, this.#previous);
    control.segments.addDead(this.#previous.segment, this.#previous.length);
    control.segments.addTombstones(control.activeSegment, length);
    return true;
  }

  /** Writes the gathered records, publishes them, or takes them back. */
  #append(outcomes: WriteOutcome[]): void {
    const count = this.#prepared.length;
    if (count === 0) return;
    const control = this.#control;
    try {
      this.#writeFile(this.#gathered);
    } catch (error) {
      for (let i = 0; i < count; i++) {
        this.#index.discard(this.#prepared[i]);
        outcomes[this.#places[i]] = asError(error);
      }
      this.#forgetGathered();
      return;
    }
    const first = control.sequence + 1;
    control.sequence += count;
    this.#ticket = control.appended(control.activeSize + this.#gathered, first);
    const previous = this.#previous;
    for (let i = 0; i < count; i++) {
      if (this.#index.publish(this.#prepared[i], previous, i > 0)) {
        control.segments.addDead(previous.segment, previous.length);
      }
    }
    this.#forgetGathered();
  }

  #forgetGathered(): void {
    this.#prepared.length = 0;
    this.#places.length = 0;
    this.#gathered = 0;
  }

  #nextSequence(): number {
    const sequence = this.#control.sequence + this.#prepared.length + 1;
    if (sequence > MAX_SEQUENCE) {
      throw new Error(`Cannot write: sequence number ${sequence} is too large`);
    }
    return sequence;
  }

  /** Makes room in the buffer and in the active segment for one record. */
  #makeRoom(
    key: Uint8Array,
    valueLength: number,
    outcomes: WriteOutcome[],
  ): number {
    const length = recordLength(key.length, valueLength);
    if (length > MAX_RECORD_BYTES) {
      throw new RangeError(
        `Record of ${length} bytes is longer than ${MAX_RECORD_BYTES} bytes`,
      );
    }
    if (this.#gathered > 0 && this.#gathered + length > GATHER_BYTES) {
      this.#append(outcomes);
    }
    const control = this.#control;
    const size = control.activeSize + this.#gathered;
    if (
      control.activeSegment === 0 ||
      size > SEGMENT_HEADER_BYTES && size + length > this.#segmentBytes
    ) {
      this.#append(outcomes);
      this.#rotate();
    }
    if (this.#gathered + length > this.#buffer.length) {
      const grown = new Uint8Array(
        Math.max(this.#gathered + length, this.#buffer.length * 2),
      );
      grown.set(this.#buffer.subarray(0, this.#gathered));
      this.#buffer = grown;
    } else if (this.#gathered === 0 && this.#buffer.length > GATHER_BYTES) {
      // One huge record must not cost its size in memory for ever.
      this.#buffer = new Uint8Array(Math.max(GATHER_BYTES, length));
    }
    return length;
  }

  /** Seals the active segment and begins another. */
  #rotate(): void {
    const id = this.#control.nextFileId();
    const file = createSegment(this.#directory, id);
    try {
      this.#control.segments.add(id, SEGMENT_HEADER_BYTES);
    } catch (error) {
      file.close();
      Deno.removeSync(segmentPath(this.#directory, id));
      throw error;
    }
    this.#control.activate(id);
    this.#file?.close();
    this.#file = file;
    this.#fileId = id;
  }

  /** Appends the first bytes of the buffer to the active segment, or none. */
  #writeFile(length: number): void {
    const id = this.#control.activeSegment;
    if (this.#fileId !== id) {
      this.close();
      this.#file = Deno.openSync(segmentPath(this.#directory, id), {
        append: true,
      });
      this.#fileId = id;
    }
    const file = this.#file!;
    try {
      writeAll(file, this.#buffer.subarray(0, length));
    } catch (error) {
      try {
        // What was written of it must not stay before the next record.
        file.truncateSync(this.#control.activeSize);
      } catch {
        // The file's end is unknown now, so nothing may be appended to it.
        this.#control.refuseWrites();
      }
      throw error;
    }
  }
}

/** A failure earlier on made it unsafe to write. */
export class WritesRefusedError extends Error {
  override name = "WritesRefusedError";

  constructor() {
    super(
      "Store refuses writes since the disk failed to keep one; reads go on. See the log, then restart",
    );
  }
}

/** The bytes of a key or value, valid until the room is used again. */
function bytesOf(given: Uint8Array | string, room: TextBytes): Uint8Array {
  return given instanceof Uint8Array ? given : room.encode(given);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
