/**
 * Sessions whose requests run in another Worker.
 *
 * @module
 */

import type { MaybePromise } from "../engine/engine.ts";
import type { Counters } from "../monitor/counters.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import type { ProtocolError } from "../protocol/protocol_error.ts";
import type { KvsRequest } from "../protocol/request.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../protocol/json/request_buffer.ts";
import { answerScan, answerSnapshot } from "../net/snapshot_scope.ts";
import type { JobBoard } from "./job_board.ts";
import type { Session, SessionPhase } from "../net/session.ts";
import type { ConnectionSnapshot } from "../net/snapshots.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * A session whose batches go to a {@linkcode JobBoard}. What is about the
 * connection's snapshot is run on this thread, one request after another: it
 * only waits for the snapshot.
 */
export class RemoteSession implements Session {
  readonly #board: JobBoard;
  readonly #requests: RequestBuffer;
  /** What is left of the batch that is being run. */
  #batch: Uint8Array = NO_BYTES;
  #answers: Uint8Array = NO_BYTES;
  #isBroken = false;
  readonly #snapshot: ConnectionSnapshot;
  readonly #counters: Counters;
  /** Whether what follows the batch is for this thread. */
  #isOwnNext = false;
  readonly #isOwn = ({ kind }: KvsRequest | ProtocolError): boolean =>
    this.#isOwnNext = this.#requests.isBroken || kind === "snapshot" ||
      kind === "scan" && this.#snapshot.current !== undefined;

  /**
   * @param board Where batches go.
   * @param limits How large requests may be.
   * @param snapshot The snapshot of the connection.
   * @param counters Counts what runs on this thread.
   * @param hasBegun Whether the connection has begun elsewhere.
   */
  constructor(
    board: JobBoard,
    limits: RequestLimits,
    snapshot: ConnectionSnapshot,
    counters: Counters,
    hasBegun = false,
  ) {
    this.#board = board;
    this.#requests = new RequestBuffer(limits);
    if (hasBegun) this.#requests.resume();
    this.#snapshot = snapshot;
    this.#counters = counters;
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
    if (this.#batch.length === 0) {
      this.#isOwnNext = false;
      this.#batch = this.#requests.takeWhole(this.#isOwn);
    }
    if (this.#batch.length > 0) return this.#runBatch();
    return this.#isOwnNext && this.#runOwn();
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
  close(): void {
    this.#snapshot.close();
  }

  async #runBatch(): Promise<boolean> {
    const result = await this.#board.run(this.#batch);
    this.#answers = result.answers;
    this.#isBroken = result.isBroken;
    const left = this.#batch.subarray(result.consumedBytes);
    // An empty view would keep the whole of a large batch in memory.
    this.#batch = result.isBroken || left.length === 0 ? NO_BYTES : left;
    return this.#batch.length > 0 || this.#isOwnNext && !result.isBroken;
  }

  async #runOwn(): Promise<boolean> {
    const request = this.#requests.next();
    const { current } = this.#snapshot;
    const answers = new AnswerBuffer();
    if (request?.kind === "snapshot") {
      await answerSnapshot(this.#snapshot, request.isRelease, answers);
    } else if (request?.kind === "scan" && current !== undefined) {
      await answerScan(current, request.range, answers);
    } else if (request?.kind === "invalid") {
      answers.err(request.message);
    } else {
      throw new Error(`Not for this thread: ${request?.kind}`);
    }
    this.#counters.add(request.kind);
    this.#counters.add("errors", answers.errors);
    this.#answers = answers.bytes();
    return true;
  }
}
