/**
 * Sleeping until something may have happened.
 *
 * @module
 */

const COUNT = 0;
const SLEEPERS = 1;

/** Words of shared memory that an {@linkcode EventCount} takes. */
export const EVENT_COUNT_WORDS = 2;

/** Turns to look again before going to sleep: about a microsecond each. */
const SPIN_TURNS = 200;

/**
 * Lets threads sleep until another announces an event, without losing one
 * that comes between the look and the sleep (an event count: Reed and
 * Kanodia, 1979).
 *
 * Take the {@linkcode current} count, look for work, and if there is none
 * sleep with that count.
 */
export class EventCount {
  readonly #words: Int32Array;
  readonly #at: number;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode EVENT_COUNT_WORDS} words.
   */
  constructor(words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** The number of events so far; it wraps. */
  get current(): number {
    return Atomics.load(this.#words, this.#at + COUNT);
  }

  /**
   * Announces an event.
   *
   * @param wake How many sleepers it concerns; all by default.
   */
  announce(wake?: number): void {
    Atomics.add(this.#words, this.#at + COUNT, 1);
    // Both sides write before they read: either the sleeper is seen here, or
    // the sleeper sees the new count.
    if (Atomics.load(this.#words, this.#at + SLEEPERS) > 0) {
      Atomics.notify(this.#words, this.#at + COUNT, wake);
    }
  }

  /**
   * Blocks this thread until the count is another one.
   *
   * @param count What {@linkcode current} was before looking for work.
   * @param timeoutMs After how many milliseconds to return all the same.
   */
  sleep(count: number, timeoutMs: number): void {
    for (let turn = 0; turn < SPIN_TURNS; turn++) {
      if (this.current !== count) return;
    }
    Atomics.add(this.#words, this.#at + SLEEPERS, 1);
    Atomics.wait(this.#words, this.#at + COUNT, count, timeoutMs);
    Atomics.sub(this.#words, this.#at + SLEEPERS, 1);
  }

  /**
   * Waits until the count is another one, while the event loop goes on. It
   * does not keep the process from ending.
   *
   * @param count What {@linkcode current} was before looking for work.
   * @param timeoutMs After how many milliseconds to return all the same.
   * @returns Whether the event loop has gone round meanwhile; it has not where
   * the count was another one already.
   */
  async sleepAsync(count: number, timeoutMs: number): Promise<boolean> {
    const words = this.#words;
    Atomics.add(words, this.#at + SLEEPERS, 1);
    const wait = Atomics.waitAsync(words, this.#at + COUNT, count, timeoutMs);
    if (wait.async) await wait.value;
    Atomics.sub(words, this.#at + SLEEPERS, 1);
    return wait.async;
  }
}
