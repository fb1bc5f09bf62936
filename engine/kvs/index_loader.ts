/**
 * Building the index while a store is being opened.
 *
 * @module
 */

import type { Control } from "./control.ts";
import { emptyPointer } from "./log_pointer.ts";
import type { SkipMap } from "./skip_map.ts";

const latin1 = new TextDecoder("latin1");

/**
 * Fills the index from records in any order: of two records of a key the one
 * with the greater sequence number is the newer.
 */
export class IndexLoader {
  readonly #control: Control;
  readonly #index: SkipMap;
  /**
   * The sequence number of the newest tombstone of each key that has one. Not
   * in the index, which may have room for the live keys and no more.
   */
  readonly #removed = new Map<string, number>();
  readonly #pointer = emptyPointer();
  readonly #previous = emptyPointer();

  /**
   * @param control Where dead bytes are counted; it knows the segments.
   * @param index The index to fill.
   */
  constructor(control: Control, index: SkipMap) {
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
      this.#remove(key, sequence);
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

  #isRemoved(key: Uint8Array, sequence: number): boolean {
    if (this.#removed.size === 0) return false;
    const removedAt = this.#removed.get(nameOf(key));
    return removedAt !== undefined && removedAt > sequence;
  }

  #remove(key: Uint8Array, sequence: number): void {
    const previous = this.#previous;
    if (this.#index.get(key, previous)) {
      if (previous.sequence > sequence) return;
      this.#index.remove(key, previous);
      this.#control.segments.addDead(previous.segment, previous.length);
    }
    const name = nameOf(key);
    const removedAt = this.#removed.get(name) ?? 0;
    if (sequence > removedAt) this.#removed.set(name, sequence);
  }
}

/** A key as a string of one character for each byte. */
function nameOf(key: Uint8Array): string {
  // Faster than a decoder, which takes over where there are too many arguments.
  if (key.length <= 256) return String.fromCharCode(...key);
  return latin1.decode(key);
}
