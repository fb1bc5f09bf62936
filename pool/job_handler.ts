/**
 * Handling connections whose requests run in other threads.
 *
 * @module
 */

import type { MaybePromise } from "../engine/engine.ts";
import type { Counters } from "../monitor/counters.ts";
import type { RequestHandler } from "../net/connection.ts";
import {
  answerScan,
  answerSnapshot,
  type ConnectionSnapshot,
} from "../net/snapshots.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import type { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type { KvsRequest, ProtocolError } from "../protocol/request.ts";
import type { JobBoard } from "./job_board.ts";
import { isOfConnection } from "./job_executor.ts";

/**
 * Sends the requests of a connection to a {@linkcode JobBoard} in batches,
 * undecoded. A Worker stops before a request that concerns the connection's
 * snapshot: that one runs here, and only waits for the snapshot.
 */
export class JobHandler implements RequestHandler {
  readonly isAdmitted = true;
  readonly #board: JobBoard;
  readonly #snapshot: ConnectionSnapshot;
  readonly #counters: Counters;
  /** Whether a Worker has left requests over. */
  #hasLeftover = false;

  constructor(
    board: JobBoard,
    snapshot: ConnectionSnapshot,
    counters: Counters,
  ) {
    this.#board = board;
    this.#snapshot = snapshot;
    this.#counters = counters;
  }

  run(requests: RequestBuffer, answers: AnswerBuffer): MaybePromise<boolean> {
    const hasSnapshot = this.#snapshot.current !== undefined;
    if (hasSnapshot || this.#hasLeftover) {
      this.#hasLeftover = false;
      const { position } = requests;
      const request = requests.next();
      if (request === undefined) return false;
      if (requests.isBroken || isOfConnection(request, hasSnapshot)) {
        return this.#runHere(request, answers);
      }
      requests.rewind(position);
    }
    const batch = requests.takeFrames();
    if (batch.length > 0) return this.#runBatch(batch, requests, answers);
    const error = requests.isBroken ? requests.next() : undefined;
    return error !== undefined && this.#runHere(error, answers);
  }

  close(): void {
    this.#snapshot.close();
  }

  async #runBatch(
    batch: Uint8Array,
    requests: RequestBuffer,
    answers: AnswerBuffer,
  ): Promise<boolean> {
    const { consumedBytes, isBroken } = await this.#board.run(batch, answers, {
      hasBegun: requests.hasBegun,
      hasSnapshot: this.#snapshot.current !== undefined,
    });
    if (isBroken) {
      requests.break();
      return false;
    }
    requests.hasBegun ||= consumedBytes > 0;
    this.#hasLeftover = consumedBytes < batch.length;
    if (this.#hasLeftover) requests.rewind(batch.byteOffset + consumedBytes);
    return this.#hasLeftover || requests.isBroken;
  }

  async #runHere(
    request: KvsRequest | ProtocolError,
    answers: AnswerBuffer,
  ): Promise<boolean> {
    const { current } = this.#snapshot;
    if (request.kind === "snapshot") {
      await answerSnapshot(this.#snapshot, request.isRelease, answers);
    } else if (request.kind === "scan" && current !== undefined) {
      await answerScan(current, request.range, answers);
    } else if (request.kind === "invalid") {
      answers.err(request.message);
    } else {
      throw new Error(`Request is a Worker's: ${request.kind}`);
    }
    this.#counters.add(request.kind);
    this.#counters.add("errors", answers.errors);
    return true;
  }
}
