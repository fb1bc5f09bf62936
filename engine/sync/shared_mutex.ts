/**
 * A mutual exclusion lock on one word of shared memory.
 *
 * @module
 */

import { type Holder, UNKNOWN_HOLDER } from "./instance_lock.ts";

const FREE = 0;
/** Beside the holder's id: somebody may be asleep waiting for the lock. */
const CONTENDED = 1;

/** Turns to try before going to sleep; a critical section lasts microseconds. */
const SPIN_TURNS = 200;

/** How long to sleep before looking whether the holder lives, in ms. */
const LOOK_MS = 250;

/** Options of {@linkcode SharedMutex}. */
export interface SharedMutexOptions {
  /** Who takes it, and who else may have it. */
  readonly holder?: Holder;
  /** Called with the lock held if its last holder died with it. */
  readonly onAbandoned?: () => void;
  /**
   * How long `lock()` may wait for a holder that lives, in milliseconds.
   *
   * @default {30000}
   */
  readonly timeoutMs?: number;
}

/**
 * A mutex that Workers share, after the three-state futex lock of Drepper,
 * "Futexes Are Tricky" (2011), on `Atomics.wait` and `Atomics.notify`. The word
 * is zero, or twice the holder's id, plus one while others may be asleep.
 *
 * It is not reentrant. A holder that dies loses it (a "robust" mutex, as POSIX
 * has them): what the lock protects may then be half changed.
 */
export class SharedMutex {
  readonly #words: Int32Array;
  readonly #index: number;
  readonly #holder: Holder;
  readonly #onAbandoned: () => void;
  readonly #timeoutMs: number;

  /**
   * @param words Shared memory; every Worker passes a view of the same buffer.
   * @param index The word that is the lock; zero means free.
   * @param options See {@linkcode SharedMutexOptions}.
   */
  constructor(
    words: Int32Array,
    index: number,
    {
      holder = UNKNOWN_HOLDER,
      onAbandoned = () => {},
      timeoutMs = 30_000,
    }: SharedMutexOptions = {},
  ) {
    this.#words = words;
    this.#index = index;
    this.#holder = holder;
    this.#onAbandoned = onAbandoned;
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
    const held = this.#holder.id * 2;
    // Sequentially consistent, so everything the last holder wrote before its
    // unlock() is visible from here on.
    for (let turn = 0; turn < SPIN_TURNS; turn++) {
      if (Atomics.compareExchange(words, index, FREE, held) === FREE) return;
    }
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      const found = Atomics.load(words, index);
      const contended = found | CONTENDED;
      if (found === FREE) {
        // Others may be asleep still, so the next unlock() must wake one.
        const ours = held | CONTENDED;
        if (Atomics.compareExchange(words, index, FREE, ours) === FREE) return;
        continue;
      }
      if (Atomics.compareExchange(words, index, found, contended) !== found) {
        continue;
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) {
        throw new Error(
          `Cannot take the write lock: not released within ${this.#timeoutMs} ms`,
        );
      }
      const waitMs = Math.min(leftMs, LOOK_MS);
      if (Atomics.wait(words, index, contended, waitMs) !== "timed-out") {
        continue;
      }
      if (this.#holder.isAlive(contended >>> 1)) continue;
      const ours = held | CONTENDED;
      if (
        Atomics.compareExchange(words, index, contended, ours) !== contended
      ) {
        continue;
      }
      this.#onAbandoned();
      return;
    }
  }

  /** Gives the lock back and wakes one waiter, if there is one. */
  unlock(): void {
    if (Atomics.exchange(this.#words, this.#index, FREE) & CONTENDED) {
      Atomics.notify(this.#words, this.#index, 1);
    }
  }

  /** Runs something with the lock held. Not for the hot path. */
  locked<T>(use: () => T): T {
    this.lock();
    try {
      return use();
    } finally {
      this.unlock();
    }
  }
}
