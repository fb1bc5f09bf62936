/**
 * Work that one instance does for all that wait for it.
 *
 * @module
 */

/** Words of shared memory that a {@linkcode Rounds} takes. */
export const ROUNDS_WORDS = 2;

const LEADER = 0;
const ROUND = 1;

/**
 * Rounds of work among the instances that share some memory: one leads, the
 * others wait for the end of the round.
 *
 * @example
 * ```ts
 * import { Rounds } from "./rounds.ts";
 *
 * const rounds = new Rounds(new Int32Array(new SharedArrayBuffer(8)), 0);
 * const round = rounds.current;
 * if (rounds.tryLead()) {
 *   // The work that all wait for is done here.
 *   rounds.end();
 * }
 * await rounds.over(round, 1_000);
 * ```
 */
export class Rounds {
  readonly #words: Int32Array;
  readonly #at: number;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode ROUNDS_WORDS} words, at first zero.
   */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** The number of the round; read it before trying to lead. */
  get current(): number {
    return Atomics.load(this.#words, this.#at + ROUND);
  }

  /** Whether somebody leads a round now. */
  get underWay(): boolean {
    return Atomics.load(this.#words, this.#at + LEADER) !== 0;
  }

  /** Tries to become the leader, who must call {@linkcode end}. */
  tryLead(): boolean {
    return Atomics.compareExchange(this.#words, this.#at + LEADER, 0, 1) === 0;
  }

  /** Ends the round and wakes all who wait for it. Leader only. */
  end(): void {
    Atomics.store(this.#words, this.#at + LEADER, 0);
    // The count is raised after the leader's place is free and before the
    // notification: whoever read the old count either finds the new one when
    // it begins to wait, or is woken.
    Atomics.add(this.#words, this.#at + ROUND, 1);
    Atomics.notify(this.#words, this.#at + ROUND);
  }

  /**
   * Waits for the end of a round, without blocking the thread.
   *
   * @param round Its number.
   * @param timeoutMs After how many milliseconds to stop waiting.
   */
  async over(round: number, timeoutMs: number): Promise<void> {
    const at = this.#at + ROUND;
    const result = Atomics.waitAsync(this.#words, at, round, timeoutMs);
    if (!result.async) return;
    // A pending waitAsync alone does not keep a process from ending. An
    // interval, since a timer might fire just before the wait times out.
    const keepAlive = setInterval(() => {}, timeoutMs);
    await result.value;
    clearInterval(keepAlive);
  }
}
