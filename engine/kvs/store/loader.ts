/**
 * Building the index while a store is being opened.
 *
 * @module
 */

import type { HintEntry } from "../log/hint_entries.ts";
import type { Log } from "../log/log.ts";
import { emptyPointer } from "../index/log_pointer.ts";
import { MAX_KEY_BYTES, Position } from "../index/skip_list.ts";
import type { Keydir } from "../index/keydir.ts";

const latin1 = new TextDecoder("latin1");

/** Where a key was removed. */
interface Removal {
  readonly sequence: number;
  readonly segment: number;
}

/** A record that does not match its checksum, and what it claims to be. */
export interface UnsoundRecord {
  /** The key that is in it. */
  readonly key: Uint8Array;
  /** Its segment's file id. */
  readonly segment: number;
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** Its length in bytes. */
  readonly length: number;
  /** The greatest sequence number that it can have been written with. */
  readonly sequence: number;
  /**
   * What is in a later segment with a greater sequence number than this is
   * newer, whatever the number in the damage says.
   */
  readonly olderThan: number;
}

/**
 * Fills the index from records in any order: of two records of a key the one
 * with the greater sequence number is the newer.
 */
export class IndexLoader {
  readonly #log: Log;
  readonly #index: Keydir;
  /**
   * The newest tombstone of each key that has one. Not in the index, which may
   * have room for the live keys and no more.
   */
  readonly #removed = new Map<string, Removal>();
  readonly #position = new Position();
  readonly #previous = emptyPointer();

  /**
   * @param log Where dead bytes are counted; it knows the segments.
   * @param index The index to fill.
   */
  constructor(log: Log, index: Keydir) {
    this.#log = log;
    this.#index = index;
  }

  /**
   * Takes one record into account.
   *
   * @param entry What is to be known of it; not kept. The keys of a segment come
   * in ascending order.
   */
  add(entry: HintEntry): void {
    const { key, segment, length, sequence, tombstone } = entry;
    const log = this.#log;
    if (sequence > log.sequence) log.sequence = sequence;
    log.segments.lowerMinSequence(segment, sequence);
    if (tombstone) {
      log.segments.addTombstones(segment, length);
      this.#remove(key, sequence, segment);
      return;
    }
    if (this.#isRemoved(key, sequence)) {
      log.segments.addDead(segment, length);
      return;
    }
    const previous = this.#previous;
    // Equal numbers: compaction was interrupted after it had copied a record.
    const outcome = this.#index.load(key, entry, previous, this.#position);
    if (outcome === "older") {
      log.segments.addDead(segment, length);
    } else if (outcome === "replaced") {
      log.segments.addDead(previous.segment, previous.length);
    }
  }

  /**
   * Lets an unsound record hide what is sound of its key and may be older: an
   * error is better than a value from the past. What it hides does not count as
   * dead. Only after all sound records, and once for each.
   *
   * @param record The record.
   */
  addUnsound(record: UnsoundRecord): void {
    const { key, segment, length, sequence } = record;
    // No store ever took such a key.
    if (key.length > MAX_KEY_BYTES) return;
    const log = this.#log;
    // It may be as old as any, and a tombstone of its key must outlive it.
    log.segments.lowerMinSequence(segment, 1);
    const previous = this.#previous;
    const newest = this.#index.get(key, previous)
      ? previous
      : this.#removed.get(nameOf(key));
    if (newest !== undefined && !mayBeNewer(record, newest)) {
      log.segments.addDead(segment, length);
      return;
    }
    // What is written from here on is newer, and has to be known as such.
    if (sequence > log.sequence) log.sequence = sequence;
    this.#index.load(key, record, previous, this.#position);
  }

  #isRemoved(key: Uint8Array, sequence: number): boolean {
    if (this.#removed.size === 0) return false;
    const removal = this.#removed.get(nameOf(key));
    return removal !== undefined && removal.sequence > sequence;
  }

  #remove(key: Uint8Array, sequence: number, segment: number): void {
    const previous = this.#previous;
    if (this.#index.get(key, previous)) {
      if (previous.sequence > sequence) return;
      this.#index.remove(key, previous, this.#position);
      this.#log.segments.addDead(previous.segment, previous.length);
    }
    const name = nameOf(key);
    const removedAt = this.#removed.get(name)?.sequence ?? 0;
    if (sequence >= removedAt) this.#removed.set(name, { sequence, segment });
  }
}

/** Whether an unsound record may be newer than a sound one of its key. */
function mayBeNewer(unsound: UnsoundRecord, sound: Removal): boolean {
  // With equal numbers the sound one is the same record, and can be read.
  if (sound.sequence >= unsound.sequence) return false;
  return sound.segment < unsound.segment ||
    sound.sequence <= unsound.olderThan;
}

/** A key as a string of one character for each byte. */
function nameOf(key: Uint8Array): string {
  // Faster than a decoder, which takes over where there are too many arguments.
  if (key.length <= 256) return String.fromCharCode(...key);
  return latin1.decode(key);
}
