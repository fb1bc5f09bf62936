/**
 * A mutual exclusion lock on one word of shared memory.
 *
 * @module
 */

const FREE = 0;
const HELD = 1;
/** Held, and somebody may be asleep waiting for it. */
const CONTENDED = 2;

/** Turns to try before going to sleep; a critical section lasts microseconds. */
const SPIN_TURNS = 200;

/**
 * A mutex that Workers share, after the three-state futex lock of Drepper,
 * "Futexes Are Tricky" (2011), on `Atomics.wait` and `Atomics.notify`.
 *
 * It is not reentrant, and not released when its holder dies: `lock()` gives
 * up after `timeoutMs` rather than hang for ever.
 */
export class SharedMutex {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #timeoutMs: number;

  /**
   * @param words Shared memory; every Worker passes a view of the same buffer.
   * @param index The word that is the lock; zero means free.
   * @param timeoutMs How long `lock()` may wait, in milliseconds.
   */
  constructor(words: Int32Array, index: number, timeoutMs = 30_000) {
    this.#words = words;
    this.#index = index;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Takes the lock, blocking this thread while another holds it.
   *
   * @throws {Error} If the lock was not to be had within `timeoutMs`.
   */
  lock(): void {
    const words = this.#words;
    const index = this.#index;
    // Sequentially consistent, so everything the last holder wrote before its
    // unlock() is visible from here on.
    for (let turn = 0; turn < SPIN_TURNS; turn++) {
      if (Atomics.compareExchange(words, index, FREE, HELD) === FREE) return;
    }
    const deadline = performance.now() + this.#timeoutMs;
    while (Atomics.exchange(words, index, CONTENDED) !== FREE) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) {
        throw new Error(
          `Cannot take the write lock: not released within ${this.#timeoutMs} ms`,
        );
      }
      Atomics.wait(words, index, CONTENDED, leftMs);
    }
  }

  /** Gives the lock back and wakes one waiter, if there is one. */
  unlock(): void {
    if (Atomics.exchange(this.#words, this.#index, FREE) === CONTENDED) {
      Atomics.notify(this.#words, this.#index, 1);
    }
  }
}
