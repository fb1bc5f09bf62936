/**
 * Answer buffers that are used again.
 *
 * @module
 */

import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";

/** The most memory of unused buffers that is kept, in bytes. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/**
 * Lends answer buffers to the connections of a thread, since most of them have
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

  /** Takes a buffer back, and clears it. */
  give(answers: AnswerBuffer): void {
    answers.clear();
    const { heldBytes } = answers;
    if (this.#keptBytes + heldBytes > MAX_KEPT_BYTES) return;
    this.#keptBytes += heldBytes;
    this.#kept.push(answers);
  }
}
