/**
 * The sequence numbers of one segment in file order, and which ones fit there.
 *
 * @module
 */

import { MAX_SEQUENCE, RECORD_HEADER_BYTES } from "./record.ts";
import type { Plausibility } from "./record_search.ts";

/** A greater one is damage: at a million writes a second, after four years. */
const MAX_PLAUSIBLE = Math.floor(MAX_SEQUENCE / 2);

/**
 * Knows the sequence numbers of the records that a scan has found so far.
 * `docs/design.md`, "What fits", has the argument.
 */
export class SequenceOrder {
  /** The greatest number in the segments with smaller file ids, or 0. */
  readonly #before: number;
  /** The number of the last record; 0 for none yet. */
  #last = 0;
  #max = 0;
  #isAscending = true;
  /** Whether the numbers so far are those that appends give. */
  #isAppended = true;
  readonly #found: number[] = [];
  /** The same as a set, from the first number that does not ascend. */
  #set: Set<number> | undefined;

  /** @param before The greatest number known to be older than the segment. */
  constructor(before: number) {
    this.#before = before;
  }

  /** The greatest number; 0 where there is none. */
  get max(): number {
    return this.#max;
  }

  /** Whether a record with this number was found already. */
  has(sequence: number): boolean {
    if (sequence > this.#max) return false;
    this.#set ??= new Set(this.#found);
    return this.#set.has(sequence);
  }

  /**
   * Notes the next sound record.
   *
   * @param sequence Its number.
   * @param lostBytes How many bytes before it are no sound record.
   */
  add(sequence: number, lostBytes: number): void {
    const isAppended = this.#last === 0
      ? sequence > this.#before
      : this.#follows(sequence, lostBytes);
    if (!isAppended) this.#isAppended = false;
    if (sequence < this.#max) this.#isAscending = false;
    else this.#max = sequence;
    this.#last = sequence;
    if (this.#set === undefined) this.#found.push(sequence);
    else this.#set.add(sequence);
  }

  /**
   * Judges what looks like a record after bytes that are none.
   *
   * @param sequence Its number.
   * @param lostBytes How many bytes before it are no sound record.
   */
  judge(sequence: number, lostBytes: number): Plausibility {
    if (sequence === 0 || sequence > MAX_PLAUSIBLE || this.has(sequence)) {
      return "no";
    }
    if (this.#isAppended && this.#follows(sequence, lostBytes)) return "yes";
    return "if records follow to the end";
  }

  /**
   * The greatest number that an unsound record can have been written with.
   *
   * @param claimed What its header says.
   * @param next The number of the record after it; `undefined` where there is
   * none.
   * @returns What its header says where that fits, else the greatest that fits;
   * `Infinity` where nothing bounds it.
   */
  boundOf(claimed: number, next: number | undefined): number {
    if (!this.#isAscending) return claimed;
    const isLess = next === undefined || claimed < next;
    if (claimed > this.#last && isLess) return claimed;
    if (next === undefined) return Infinity;
    return next > this.#last ? next - 1 : claimed;
  }

  /** Whether a number is greater than the last by what fits between. */
  #follows(sequence: number, lostBytes: number): boolean {
    const last = this.#last || this.#before;
    const minLost = lostBytes > 0 ? 1 : 0;
    const maxLost = Math.floor(lostBytes / RECORD_HEADER_BYTES);
    return sequence > last + minLost && sequence <= last + 1 + maxLost;
  }
}
