/**
 * Building the index while a store is being opened.
 *
 * @module
 */

import type { Control } from "../log/log.ts";
import { emptyPointer } from "./log_pointer.ts";
import { MAX_KEY_BYTES } from "./skip_list.ts";
import type { Keydir } from "./keydir.ts";

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
  readonly #control: Control;
  readonly #index: Keydir;
  /**
   * The newest tombstone of each key that has one. Not in the index, which may
   * have room for the live keys and no more.
   */
  readonly #removed = new Map<string, Removal>();
  readonly #pointer = emptyPointer();
  readonly #previous = emptyPointer();

  /**
   * @param control Where dead bytes are counted; it knows the segments.
   * @param index The index to fill.
   */
  constructor(control: Control, index: Keydir) {
    this.#control = control;
    this.#index = index;
  }

  /**
   * Takes one record into account.
   *
   * @param key Its key; not kept.
   * @param segment Its segment's file id.
   * @param offset Where it begins, in bytes.
   * @param length Its length in bytes.
   * @param sequence Its sequence number.
   * @param tombstone Whether it is one.
   * @param ascending Whether keys come in ascending order, more or less.
   */
  add(
    key: Uint8Array,
    segment: number,
    offset: number,
    length: number,
    sequence: number,
    tombstone: boolean,
    ascending = false,
  ): void {
    const control = this.#control;
    if (sequence > control.sequence) control.sequence = sequence;
    control.segments.lowerMinSequence(segment, sequence);
    if (tombstone) {
      control.segments.addTombstones(segment, length);
      this.#remove(key, sequence, segment);
      return;
    }
    if (this.#isRemoved(key, sequence)) {
      control.segments.addDead(segment, length);
      return;
    }
    const pointer = this.#pointer;
    const previous = this.#previous;
    pointer.segment = segment;
    pointer.offset = offset;
    pointer.length = length;
    pointer.sequence = sequence;
    // Equal numbers: compaction was interrupted after it had copied a record.
    const outcome = this.#index.load(key, pointer, previous, ascending);
    if (outcome === "older") {
      control.segments.addDead(segment, length);
    } else if (outcome === "replaced") {
      control.segments.addDead(previous.segment, previous.length);
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
    const control = this.#control;
    // It may be as old as any, and a tombstone of its key must outlive it.
    control.segments.lowerMinSequence(segment, 1);
    const previous = this.#previous;
    const newest = this.#index.get(key, previous)
      ? previous
      : this.#removed.get(nameOf(key));
    if (newest !== undefined && !mayBeNewer(record, newest)) {
      control.segments.addDead(segment, length);
      return;
    }
    // What is written from here on is newer, and has to be known as such.
    if (sequence > control.sequence) control.sequence = sequence;
    this.#index.load(key, record, previous, false);
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
      this.#index.remove(key, previous);
      this.#control.segments.addDead(previous.segment, previous.length);
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
