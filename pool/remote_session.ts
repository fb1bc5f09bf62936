/**
 * Sessions whose requests run in another Worker.
 *
 * @module
 */

import type { MaybePromise } from "../engine/engine.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../protocol/request_buffer.ts";
import type { JobBoard } from "./job_board.ts";
import type { Session, SessionPhase } from "./session.ts";

const NO_BYTES = new Uint8Array(0);

/** A session whose batches go to a {@linkcode JobBoard}. */
export class RemoteSession implements Session {
  readonly #board: JobBoard;
  readonly #requests: RequestBuffer;
  /** What is left of the batch that is being run. */
  #batch: Uint8Array = NO_BYTES;
  #answers: Uint8Array = NO_BYTES;
  #isBroken = false;

  /**
   * @param board Where batches go.
   * @param limits How large requests may be.
   */
  constructor(board: JobBoard, limits: RequestLimits) {
    this.#board = board;
    this.#requests = new RequestBuffer(limits);
  }

  /** @inheritdoc */
  space(): Uint8Array {
    return this.#requests.space();
  }

  /** @inheritdoc */
  commit(countBytes: number): void {
    this.#requests.commit(countBytes);
  }

  /** @inheritdoc */
  end(): void {
    this.#requests.end();
  }

  /** @inheritdoc */
  get isBroken(): boolean {
    return this.#isBroken || this.#requests.isBroken;
  }

  /** @inheritdoc */
  get phase(): SessionPhase {
    return this.#requests.unusedBytes === 0 ? "idle" : "request";
  }

  /** @inheritdoc */
  get heldBytes(): number {
    return this.#requests.heldBytes;
  }

  /** @inheritdoc */
  run(): MaybePromise<boolean> {
    if (this.#batch.length === 0) this.#batch = this.#requests.takeWhole();
    return this.#batch.length > 0 && this.#runBatch();
  }

  /** @inheritdoc */
  answers(): Uint8Array {
    return this.#answers;
  }

  /** @inheritdoc */
  forgetAnswers(): void {
    this.#answers = NO_BYTES;
  }

  /** @inheritdoc */
  close(): void {}

  async #runBatch(): Promise<boolean> {
    const result = await this.#board.run(this.#batch);
    this.#answers = result.answers;
    this.#isBroken = result.isBroken;
    const left = this.#batch.subarray(result.consumedBytes);
    // An empty view would keep the whole of a large batch in memory.
    this.#batch = result.isBroken || left.length === 0 ? NO_BYTES : left;
    return this.#batch.length > 0;
  }
}
