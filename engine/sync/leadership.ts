/**
 * Work that one instance does for all that wait for it.
 *
 * @module
 */

import { type Holder, UNKNOWN_HOLDER } from "./instance_lock.ts";

/** Words of shared memory that a {@linkcode Leadership} takes. */
export const LEADERSHIP_WORDS = 2;

/** The leader's id, zero while nobody leads. */
const LEADER = 0;
const ROUND = 1;

/** How long to wait before looking whether the leader lives, in ms. */
const LOOK_MS = 250;

/**
 * Leadership of work among the instances that share some memory: one leads, the
 * others wait for the end of the round. A leader that dies ends its round.
 *
 * @example
 * ```ts
 * import { Leadership } from "./leadership.ts";
 *
 * const rounds = new Leadership(new Int32Array(new SharedArrayBuffer(8)), 0);
 * const round = rounds.current;
 * if (rounds.tryLead()) {
 *   // The work that all wait for is done here.
 *   rounds.end();
 * }
 * await rounds.over(round);
 * ```
 */
export class Leadership {
  readonly #words: Int32Array;
  readonly #at: number;
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
    this.#at = at;
    this.#holder = holder;
  }

  /** The number of the round; read it before trying to lead. */
  get current(): number {
    return Atomics.load(this.#words, this.#at + ROUND);
  }

  /** Whether somebody leads a round now. */
  get underWay(): boolean {
    const leader = this.#leader;
    if (leader === 0) return false;
    if (this.#holder.isAlive(leader)) return true;
    this.#endAs(leader);
    return false;
  }

  /** Tries to become the leader, who must call {@linkcode end}. */
  tryLead(): boolean {
    return this.#replaceLeader(0, this.#holder.id);
  }

  /**
   * Takes the round over from its leader, who has asked for that.
   *
   * @param leader The leader's id.
   * @returns Whether it was still the leader.
   */
  takeOver(leader: number): boolean {
    return this.#replaceLeader(leader, this.#holder.id);
  }

  /** Ends the round and wakes all who wait for it. Leader only. */
  end(): void {
    this.#endAs(this.#holder.id);
  }

  /**
   * Waits for the end of a round, without blocking the thread.
   *
   * @param round Its number.
   */
  async over(round: number): Promise<void> {
    // A pending waitAsync alone does not keep a process from ending.
    const keepAlive = setInterval(() => {}, LOOK_MS);
    try {
      const at = this.#at + ROUND;
      for (;;) {
        const wait = Atomics.waitAsync(this.#words, at, round, LOOK_MS);
        if (!wait.async || await wait.value !== "timed-out") return;
        // Ends it if its leader has died.
        if (!this.underWay) return;
      }
    } finally {
      clearInterval(keepAlive);
    }
  }

  /**
   * Blocks this thread until the round that another instance leads is over.
   *
   * @param timeoutMs How long to wait at most, in milliseconds.
   * @returns Whether it is over; where this instance leads there is none.
   */
  waitOver(timeoutMs: number): boolean {
    const round = this.current;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      if (this.#leader === this.#holder.id || !this.underWay) return true;
      if (this.current !== round) return true;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return false;
      const waitMs = Math.min(leftMs, LOOK_MS);
      Atomics.wait(this.#words, this.#at + ROUND, round, waitMs);
    }
  }

  get #leader(): number {
    return Atomics.load(this.#words, this.#at + LEADER);
  }

  #replaceLeader(from: number, to: number): boolean {
    const at = this.#at + LEADER;
    return Atomics.compareExchange(this.#words, at, from, to) === from;
  }

  #endAs(leader: number): void {
    if (!this.#replaceLeader(leader, 0)) return;
    // The count is raised after the leader's place is free and before the
    // notification: a waiter that read the old count either finds the new one
    // when it begins to wait, or is woken.
    Atomics.add(this.#words, this.#at + ROUND, 1);
    Atomics.notify(this.#words, this.#at + ROUND);
  }
}
