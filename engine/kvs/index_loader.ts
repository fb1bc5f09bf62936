/**
 * Building the index while a store is being opened.
 *
 * @module
 */

import type { Control } from "./control.ts";
import { emptyPointer } from "./log_pointer.ts";
import type { SkipMap } from "./skip_map.ts";

/** The length in the pointer of a removed key, while the index is built. */
const TOMBSTONE = 0;

/**
 * Fills the index from records in any order: of two records of a key the one
 * with the greater sequence number is the newer.
 */
export class IndexLoader {
  readonly #control: Control;
  readonly #index: SkipMap;
  readonly #tombstones: Uint8Array[] = [];
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
      this.#tombstones.push(key.slice());
    }
    const pointer = this.#pointer;
    const previous = this.#previous;
    pointer.segment = segment;
    pointer.offset = offset;
    pointer.length = tombstone ? TOMBSTONE : length;
    pointer.sequence = sequence;
    // Equal numbers: compaction was interrupted after it had copied a record.
    const outcome = this.#index.load(key, pointer, previous, ascending);
    if (outcome === "older") {
      if (!tombstone) control.segments.addDead(segment, length);
    } else if (outcome === "replaced" && previous.length !== TOMBSTONE) {
      control.segments.addDead(previous.segment, previous.length);
    }
  }

  /** Ends the building: removed keys leave the index. */
  finish(): void {
    for (const key of this.#tombstones) {
      if (
        this.#index.get(key, this.#pointer) &&
        this.#pointer.length === TOMBSTONE
      ) this.#index.remove(key, this.#previous);
    }
  }
}
