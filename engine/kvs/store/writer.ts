/**
 * Writing: records go to the log, and then their keys to the index.
 *
 * @module
 */

import { asError } from "../../errors.ts";
import type { TextWrite, Write, WriteOutcome } from "../../engine.ts";
import { emptyPointer, type LogPointer } from "../index/log_pointer.ts";
import type { Log } from "../log/log.ts";
import { encodeRecord, MAX_SEQUENCE, recordLength } from "../log/record.ts";
import type { Keydir } from "../index/keydir.ts";
import { Position } from "../index/skip_list.ts";
import { TextBytes } from "./text_bytes.ts";

/** Records are gathered up to this size, in bytes, before they are written. */
const GATHER_BYTES = 1 << 20;

/** The largest record: its place and length must fit in 32 bits. */
const MAX_RECORD_BYTES = 2 ** 31;

/**
 * Appends writes to the log and publishes them in the index.
 *
 * Each instance of a store has its own; the write lock makes them take turns.
 * The order of events is what makes an append safe: memory for the index entry
 * is set aside, then the records go to the file in one call, then the entries
 * are published. A failure before the last step is taken back whole.
 */
export class Writer {
  readonly #log: Log;
  readonly #index: Keydir;
  /** Records gathered for one write call. */
  #buffer = new Uint8Array(64 * 1024);
  #gathered = 0;
  /** For each gathered set: its place in the batch and its index entry. */
  readonly #places: number[] = [];
  readonly #prepared: number[] = [];
  readonly #pointer: LogPointer = emptyPointer();
  readonly #previous: LogPointer = emptyPointer();
  readonly #position = new Position();
  readonly #keyText = new TextBytes();
  readonly #valueText = new TextBytes();
  #ticket: number;

  /**
   * @param log The store's log.
   * @param index The store's index.
   */
  constructor(log: Log, index: Keydir) {
    this.#log = log;
    this.#index = index;
    this.#ticket = log.commit.ticket;
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
    const { lock } = this.#log;
    lock.lock();
    try {
      const refused = this.#whyNot();
      if (refused !== undefined) return outcomes.fill(refused);
      for (let i = 0; i < batch.length; i++) {
        try {
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

  /** Why nothing may be written; each append looks again. */
  #whyNot(): Error | undefined {
    try {
      this.#log.assertWritable();
    } catch (error) {
      return asError(error);
    }
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
    pointer.segment = this.#log.segments.active;
    pointer.offset = this.#log.segments.activeSize + this.#gathered;
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
    const record = this.#buffer.subarray(0, length);
    this.#ticket = this.#log.append(record, sequence, sequence);
    this.#index.remove(key, this.#previous);
    const { segments } = this.#log;
    segments.addDead(this.#previous.segment, this.#previous.length);
    segments.addTombstones(segments.active, length);
    return true;
  }

  /** Writes the gathered records, publishes them, or takes them back. */
  #append(outcomes: WriteOutcome[]): void {
    const count = this.#prepared.length;
    if (count === 0) return;
    const log = this.#log;
    const first = log.sequence + 1;
    const records = this.#buffer.subarray(0, this.#gathered);
    try {
      this.#ticket = log.append(records, first, first + count - 1);
    } catch (error) {
      for (let i = 0; i < count; i++) {
        this.#index.discard(this.#prepared[i]);
        outcomes[this.#places[i]] = asError(error);
      }
      this.#forgetGathered();
      return;
    }
    const previous = this.#previous;
    const position = this.#position;
    // Another instance may have written since.
    position.reset();
    for (let i = 0; i < count; i++) {
      if (this.#index.publish(this.#prepared[i], previous, position)) {
        log.segments.addDead(previous.segment, previous.length);
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
    const sequence = this.#log.sequence + this.#prepared.length + 1;
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
    if (!this.#log.hasRoom(length, this.#gathered)) {
      this.#append(outcomes);
      this.#log.rotate();
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
}

/** The bytes of a key or value, valid until the room is used again. */
function bytesOf(given: Uint8Array | string, room: TextBytes): Uint8Array {
  return given instanceof Uint8Array ? given : room.encode(given);
}
