/**
 * Which writes of all Workers have ended.
 *
 * @module
 */

/** The number that the next write gets. */
const STARTED = 0;
/** All writes with lower numbers have ended. */
const ENDED = 1;
const FIRST_CELL = 2;

/** More than there can be writes at a time: some of each instance. */
const CELLS = 16_384;

/** After how long a write is taken for a dead Worker's, in milliseconds. */
const DEAD_AFTER_MS = 5_000;

/**
 * Lets a write that succeeded wait for those that may have failed before it.
 *
 * LevelDB's queue may fail the write of one Worker and then succeed with that
 * of another, which hears of its own end first. What it wrote is lost then, so
 * it must not be acknowledged before the other has been heard of. The order in
 * LevelDB's queue is not known, but all writes that have not started yet come
 * later.
 */
export class WriteOrder {
  readonly #words: Int32Array;
  readonly #deadAfterMs: number;
  #waiters: { readonly before: number; readonly resolve: () => void }[] = [];

  /**
   * @param buffer What {@linkcode WriteOrder.buffer} is elsewhere.
   * @param deadAfterMs After how long a write is taken for a dead Worker's.
   */
  constructor(
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(
      (FIRST_CELL + CELLS) * Int32Array.BYTES_PER_ELEMENT,
    ),
    deadAfterMs: number = DEAD_AFTER_MS,
  ) {
    this.#deadAfterMs = deadAfterMs;
    this.#words = new Int32Array(buffer);
  }

  /**
   * Notes that a write starts.
   *
   * @returns Its number.
   */
  start(): number {
    return Atomics.add(this.#words, STARTED, 1);
  }

  /**
   * Notes that a write has ended, however it did.
   *
   * @param number Its number.
   * @returns A promise where writes that have started have not ended yet; it
   * resolves when they have.
   */
  end(number: number): Promise<void> | undefined {
    const words = this.#words;
    // Not if it was taken for dead: the cell may be another's by now.
    if ((Atomics.load(words, ENDED) - number | 0) <= 0) {
      Atomics.store(words, cellOf(number), number + 1 | 0);
      this.#advance();
    }
    const started = Atomics.load(words, STARTED);
    return this.#hasEnded(started) ? undefined : this.#waitFor(started);
  }

  #hasEnded(before: number): boolean {
    return (Atomics.load(this.#words, ENDED) - before | 0) >= 0;
  }

  #waitFor(before: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.push({ before, resolve });
    if (this.#waiters.length === 1) this.#watch();
    return promise;
  }

  /** Lets those go on who wait, until nobody does. */
  async #watch(): Promise<void> {
    const words = this.#words;
    let last = Atomics.load(words, ENDED);
    // It also keeps the process alive, which a pending waitAsync does not.
    const timer = setInterval(() => {
      const ended = Atomics.load(words, ENDED);
      if (ended === last) this.#passOver(ended);
      last = ended;
    }, this.#deadAfterMs);
    for (;;) {
      const ended = Atomics.load(words, ENDED);
      this.#settle();
      if (this.#waiters.length === 0) break;
      const result = Atomics.waitAsync(words, ENDED, ended);
      if (result.async) await result.value;
    }
    clearInterval(timer);
  }

  #settle(): void {
    const left = [];
    for (const waiter of this.#waiters) {
      if (this.#hasEnded(waiter.before)) waiter.resolve();
      else left.push(waiter);
    }
    this.#waiters = left;
  }

  /**
   * Takes a write for a dead Worker's. What became of it will never be known:
   * the chance that it failed just before its Worker died is taken rather than
   * refusing all writes.
   */
  #passOver(number: number): void {
    const words = this.#words;
    Atomics.compareExchange(words, ENDED, number, number + 1 | 0);
    this.#advance();
    Atomics.notify(words, ENDED);
  }

  /** Moves on over all writes that have ended. */
  #advance(): void {
    const words = this.#words;
    let hasMoved = false;
    for (;;) {
      const next = Atomics.load(words, ENDED);
      const mark = next + 1 | 0;
      // Others may do the same at the same time: one of them moves on.
      if (Atomics.load(words, cellOf(next)) !== mark) break;
      if (Atomics.compareExchange(words, ENDED, next, mark) === next) {
        hasMoved = true;
      }
    }
    if (hasMoved) Atomics.notify(words, ENDED);
  }
}

/** The word in which the end of a write is marked. */
function cellOf(number: number): number {
  return FIRST_CELL + (number & (CELLS - 1));
}
