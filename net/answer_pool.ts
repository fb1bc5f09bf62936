/**
 * Answer buffers that nobody uses just now.
 *
 * @module
 */

import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";

/** What is kept takes so much memory at most, in bytes. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/**
 * Lends answer buffers to the sessions of a thread, since most sessions have
 * nothing to answer most of the time, and making a buffer anew for a request
 * costs more than the request.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { AnswerPool } from "./answer_pool.ts";
 *
 * const spare = new AnswerPool();
 * const answers = spare.take();
 * answers.ok();
 * spare.give(answers);
 * assertEquals(spare.take(), answers);
 * assertEquals(answers.length, 0);
 * ```
 */
export class AnswerPool {
  readonly #maxUnreadBytes: number | undefined;
  readonly #kept: AnswerBuffer[] = [];
  #keptBytes = 0;

  /**
   * @param maxUnreadBytes So many bytes of answers make a buffer full;
   * {@linkcode AnswerBuffer} has a default.
   */
  constructor(maxUnreadBytes?: number) {
    this.#maxUnreadBytes = maxUnreadBytes;
  }

  /** What is kept, in bytes: 4 MiB at most. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Lends an empty buffer. */
  take(): AnswerBuffer {
    const answers = this.#kept.pop();
    if (answers === undefined) return new AnswerBuffer(this.#maxUnreadBytes);
    this.#keptBytes -= answers.heldBytes;
    return answers;
  }

  /**
   * Takes a buffer back, and forgets what is in it.
   *
   * @param answers The buffer, which the caller leaves alone from here on.
   */
  give(answers: AnswerBuffer): void {
    answers.clear();
    const { heldBytes } = answers;
    if (this.#keptBytes + heldBytes > MAX_KEPT_BYTES) return;
    this.#keptBytes += heldBytes;
    this.#kept.push(answers);
  }
}
