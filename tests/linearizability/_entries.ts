/**
 * The calls and returns of a history, in the order of time.
 *
 * @module
 */

import type { Operation } from "./_history.ts";

/** An operation as the search sees it. */
export interface Step {
  /** Its bit in the set of those that are done. */
  readonly id: number;
  /** The operation. */
  readonly operation: Operation;
  /** What stands for the value that it sets or reads. */
  readonly state: number;
}

/** A call or a return. */
export interface Entry {
  /** What is called or returns. */
  readonly step: Step;
  /** Whether it is the call. */
  readonly isCall: boolean;
  /** The entry behind it. */
  next: Entry | undefined;
  /** The entry before it; of the first one, what stands before all. */
  previous: { next: Entry | undefined };
}

/**
 * A list out of which an operation's call and return can be taken and put back,
 * the last to be taken first (Wing and Gong's lift and unlift).
 */
export class Entries {
  readonly #head: { next: Entry | undefined } = { next: undefined };
  readonly #calls: Entry[] = [];
  readonly #returns: Entry[] = [];

  /**
   * @param steps The operations, the first call first; their ids are their
   * places.
   */
  constructor(steps: readonly Step[]) {
    const entryOf = (step: Step, isCall: boolean): Entry => ({
      step,
      isCall,
      next: undefined,
      previous: this.#head,
    });
    this.#calls = steps.map((step) => entryOf(step, true));
    this.#returns = steps.map((step) => entryOf(step, false));
    // Of what is at the same moment, calls come first: who returned then may
    // have overlapped with who called.
    const sorted = [...this.#calls, ...this.#returns].sort((a, b) =>
      timeOf(a) - timeOf(b) || Number(b.isCall) - Number(a.isCall) ||
      a.step.id - b.step.id
    );
    let previous = this.#head;
    for (const entry of sorted) {
      entry.previous = previous;
      previous.next = entry;
      previous = entry;
    }
  }

  /** The first entry that is left, a call; `undefined` if there is none. */
  get first(): Entry | undefined {
    return this.#head.next;
  }

  /** Takes an operation out. */
  lift({ id }: Step): void {
    unlink(this.#calls[id]);
    unlink(this.#returns[id]);
  }

  /** Puts the operation back that was taken out last. */
  unlift({ id }: Step): void {
    link(this.#returns[id]);
    link(this.#calls[id]);
  }
}

function timeOf({ step: { operation }, isCall }: Entry): number {
  return isCall ? operation.invokedMs : operation.returnedMs;
}

function unlink({ previous, next }: Entry): void {
  previous.next = next;
  if (next !== undefined) next.previous = previous;
}

function link(entry: Entry): void {
  entry.previous.next = entry;
  if (entry.next !== undefined) entry.next.previous = entry;
}
