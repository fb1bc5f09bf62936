/**
 * Work that one instance does for all that wait for it.
 *
 * @module
 */

import { EVENT_COUNT_WORDS, EventCount } from "./event_count.ts";
import { type Holder, UNKNOWN_HOLDER } from "./instance_lock.ts";

/** The leader's id, zero while nobody leads. */
const LEADER = 0;
/** An event count of the terms that have ended. */
const TERMS = 1;

/** Words of shared memory that a {@linkcode Leadership} takes. */
export const LEADERSHIP_WORDS = TERMS + EVENT_COUNT_WORDS;

/** How long to wait before asking whether the leader lives, in ms. */
const CHECK_MS = 250;

/**
 * Leadership of work among the instances that share some memory: one leads for
 * a term, the others wait for its end. A leader that dies ends its term.
 *
 * @example
 * ```ts
 * import { Leadership } from "./leadership.ts";
 *
 * const leadership = new Leadership(
 *   new Int32Array(new SharedArrayBuffer(12)),
 *   0,
 * );
 * const term = leadership.term;
 * if (leadership.tryLead()) {
 *   // The work that all wait for is done here.
 *   leadership.resign();
 * }
 * await leadership.ended(term);
 * ```
 */
export class Leadership {
  readonly #words: Int32Array;
  readonly #leaderAt: number;
  readonly #terms: EventCount;
  readonly #holder: Holder;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode LEADERSHIP_WORDS} words, at first zero.
   * @param holder Who leads, and who else may.
   */
  constructor(
    words: Int32Array,
    at: number,
    holder: Holder = UNKNOWN_HOLDER,
  ) {
    this.#words = words;
    this.#leaderAt = at + LEADER;
    this.#terms = new EventCount(words, at + TERMS);
    this.#holder = holder;
  }

  /** The number of the term; read it before trying to lead. */
  get term(): number {
    return this.#terms.current;
  }

  /** Whether an instance that lives leads now. */
  get hasLeader(): boolean {
    const leader = this.#leader;
    if (leader === 0) return false;
    if (this.#holder.isAlive(leader)) return true;
    this.#endTermOf(leader);
    return false;
  }

  /** Tries to become the leader, who must call {@linkcode resign}. */
  tryLead(): boolean {
    return this.#replaceLeader(0, this.#holder.id);
  }

  /** Leads instead of a leader that has asked for it, if it still leads. */
  takeOver(leader: number): boolean {
    return this.#replaceLeader(leader, this.#holder.id);
  }

  /** Ends the term and wakes all who wait for that. Leader only. */
  resign(): void {
    this.#endTermOf(this.#holder.id);
  }

  /** Waits for the end of a term, without blocking the thread. */
  async ended(term: number): Promise<void> {
    // A pending waitAsync alone does not keep a process from ending.
    const keepAlive = setInterval(() => {}, CHECK_MS);
    try {
      for (;;) {
        await this.#terms.sleepAsync(term, CHECK_MS);
        if (this.term !== term || !this.hasLeader) return;
      }
    } finally {
      clearInterval(keepAlive);
    }
  }

  /**
   * Blocks this thread until the term of another instance has ended.
   *
   * @param timeoutMs How long to wait at most, in milliseconds.
   * @returns Whether it has; where this instance leads there is none.
   */
  waitForEnd(timeoutMs: number): boolean {
    const { term } = this;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      if (this.#leader === this.#holder.id || !this.hasLeader) return true;
      if (this.term !== term) return true;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return false;
      this.#terms.sleep(term, Math.min(leftMs, CHECK_MS));
    }
  }

  get #leader(): number {
    return Atomics.load(this.#words, this.#leaderAt);
  }

  #replaceLeader(from: number, to: number): boolean {
    const found = Atomics.compareExchange(
      this.#words,
      this.#leaderAt,
      from,
      to,
    );
    return found === from;
  }

  #endTermOf(leader: number): void {
    // The place is free before the count changes, so that one that has waited
    // can lead.
    if (this.#replaceLeader(leader, 0)) this.#terms.announce();
  }
}
