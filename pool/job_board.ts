/**
 * The main thread's side of the jobs.
 *
 * @module
 */

import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import {
  type JobContext,
  type JobResult,
  JobSlots,
  SLOTS,
} from "./job_slots.ts";
import { eventLoopTurn } from "../net/waiting.ts";

/** How long to sleep at a time at most, in milliseconds. */
const SLEEP_MS = 1_000;

/** The longest time between two turns of the event loop, in milliseconds. */
const TURN_MS = 1;

/** The entry module of Workers that run jobs. */
export const JOB_WORKER = new URL("./job_worker.ts", import.meta.url);

/** What gets jobs to Workers. */
export interface JobRunner {
  /** Where the jobs are. */
  readonly board: JobBoard;
  /** Starts what has to be there before the first job. */
  start(): Promise<void>;
  /**
   * Ends the Workers, once the jobs that were queued have run.
   *
   * @throws {Error} If that takes longer than `timeoutMs`.
   */
  stop(timeoutMs: number): Promise<void>;
}

/** A job on its way. */
interface Job {
  readonly batch: Uint8Array;
  sentBytes: number;
  readonly answers: AnswerBuffer;
  readonly resolve: (result: JobResult) => void;
}

/**
 * Sends batches through the slots and gets their answers back. At most a given
 * number is on its way; further ones wait, and their connections do not read
 * on meanwhile.
 */
export class JobBoard {
  readonly slots: JobSlots = JobSlots.create();
  readonly #free: number[];
  readonly #waiting: ((slot: number) => void)[] = [];
  readonly #jobs = new Map<number, Job>();
  readonly #onQueued: (slot: number) => void;
  #isClosed = false;

  /**
   * @param atOnce How many batches may be on their way, 1 to {@linkcode SLOTS}.
   * @param onQueued Has a Worker take a slot's job.
   */
  constructor(atOnce: number, onQueued: (slot: number) => void) {
    this.#free = Array.from({ length: Math.min(atOnce, SLOTS) }, (_, i) => i);
    this.#onQueued = onQueued;
    this.#collect();
  }

  /**
   * Has a Worker run a batch of whole requests. Batch and answers are left
   * alone until the promise resolves.
   */
  async run(
    batch: Uint8Array,
    answers: AnswerBuffer,
    context?: JobContext,
  ): Promise<JobResult> {
    const slot = this.#free.pop() ??
      await new Promise<number>((resolve) => this.#waiting.push(resolve));
    return await new Promise((resolve) => {
      const sentBytes = this.slots.begin(slot, batch, context);
      this.#jobs.set(slot, { batch, sentBytes, answers, resolve });
      this.#onQueued(slot);
    });
  }

  /** Answers the jobs of a Worker that has died with an error. */
  failJobsOf(worker: number, message: string): void {
    for (const [slot, job] of this.#jobs) {
      if (this.slots.ownerOf(slot) === worker) this.#fail(slot, job, message);
    }
  }

  /** Answers a job with an error that no Worker has taken, nor ever will. */
  failQueued(slot: number, message: string): void {
    const job = this.#jobs.get(slot);
    if (job !== undefined) this.#fail(slot, job, message);
  }

  #fail(slot: number, job: Job, message: string): void {
    this.slots.abandon(slot);
    // How many requests the batch had is not known here: one error, and the
    // connection is closed.
    job.answers.clear();
    job.answers.err(message);
    this.#end(slot, job, { consumedBytes: job.batch.length, isBroken: true });
  }

  /** Ends the waiting for answers. No job may be on its way. */
  close(): void {
    this.#isClosed = true;
    this.slots.progressed.announce();
  }

  /** Does what the Workers want, until the board is closed. */
  async #collect(): Promise<void> {
    let turnedMs = performance.now();
    while (!this.#isClosed) {
      const count = this.slots.progressed.current;
      for (const [slot, job] of this.#jobs) this.#advance(slot, job);
      const slept = await this.slots.progressed.sleepAsync(count, SLEEP_MS);
      if (!slept) {
        // Workers are quick, and connections must not wait for a pause.
        if (performance.now() - turnedMs < TURN_MS) continue;
        await eventLoopTurn();
      }
      turnedMs = performance.now();
    }
  }

  #advance(slot: number, job: Job): void {
    const { batch, sentBytes, answers } = job;
    const advanced = this.slots.advance(
      slot,
      batch,
      sentBytes,
      (piece) => answers.append(piece),
    );
    if (typeof advanced === "number") job.sentBytes = advanced;
    else this.#end(slot, job, advanced);
  }

  #end(slot: number, job: Job, result: JobResult): void {
    this.#jobs.delete(slot);
    job.resolve(result);
    const next = this.#waiting.shift();
    if (next !== undefined) next(slot);
    else this.#free.push(slot);
  }
}
