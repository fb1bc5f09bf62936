/**
 * Running one job.
 *
 * @module
 */

import type { KvsEngine, MaybePromise } from "../engine/engine.ts";
import type { Monitor } from "../monitor/monitor.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { execute } from "../net/execute.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type { ServerLimits } from "../net/limits.ts";
import type { JobSlots } from "./job_slots.ts";

/** Buffers that a larger batch was in are not kept for the next one. */
const KEPT_BYTES = 256 * 1024;

/** The buffers of a job, kept for the next one. */
interface JobBuffers {
  readonly requests: RequestBuffer;
  readonly answers: AnswerBuffer;
}

/** A job that was taken out of its slot. */
interface Job extends JobBuffers {
  readonly batchBytes: number;
}

/** Runs the jobs that a Worker takes. */
export class JobExecutor {
  readonly #engine: KvsEngine;
  readonly #slots: JobSlots;
  readonly #limits: ServerLimits;
  readonly #monitor: Monitor;
  readonly #spare: JobBuffers[] = [];

  /**
   * @param engine Runs the requests.
   * @param slots Where the jobs are.
   * @param limits How large requests may be.
   * @param monitor Watches them.
   */
  constructor(
    engine: KvsEngine,
    slots: JobSlots,
    limits: ServerLimits,
    monitor: Monitor,
  ) {
    this.#monitor = monitor;
    this.#engine = engine;
    this.#slots = slots;
    this.#limits = limits;
  }

  /**
   * Runs a job. Whatever it throws becomes its answer: the Worker lives on.
   *
   * @param slot The job's slot.
   * @returns When it is answered, if it has to wait for the engine.
   */
  run(slot: number): Promise<void> | void {
    let job: Job;
    let ran: MaybePromise<boolean>;
    try {
      job = this.#take(slot);
      ran = execute(
        this.#engine,
        job.requests,
        job.answers,
        this.#monitor,
      );
    } catch (error) {
      return this.#fail(slot, error);
    }
    if (ran instanceof Promise) {
      return ran.then(
        () => this.#finish(slot, job),
        (error) => this.#fail(slot, error),
      );
    }
    this.#finish(slot, job);
  }

  #take(slot: number): Job {
    const { requests, answers } = this.#spare.pop() ?? this.#makeBuffers();
    const batchBytes = this.#slots.take(
      slot,
      (batchBytes) => requests.space(batchBytes),
    );
    requests.commit(batchBytes);
    return { requests, answers, batchBytes };
  }

  #makeBuffers(): JobBuffers {
    const requests = new RequestBuffer(this.#limits);
    // A batch is whole requests, be it that the last was ended by the end of
    // its stream: nothing in a batch waits for more. How a connection begins
    // was looked at where it was read.
    requests.resume();
    requests.end();
    const answers = new AnswerBuffer(this.#limits.maxUnreadBytes);
    return { requests, answers };
  }

  #finish(slot: number, { requests, answers, batchBytes }: Job): void {
    const { unusedBytes, isBroken } = requests;
    this.#slots.finish(slot, {
      answers: answers.bytes(),
      consumedBytes: batchBytes - unusedBytes,
      isBroken,
    });
    if (unusedBytes > 0 || isBroken) return;
    if (batchBytes > KEPT_BYTES) return;
    answers.clear();
    this.#spare.push({ requests, answers });
  }

  #fail(slot: number, error: unknown): void {
    const answers = new AnswerBuffer();
    answers.err(error instanceof Error ? error.message : String(error));
    // How far the batch came is not known, so nothing behind it may run.
    this.#slots.finish(slot, {
      answers: answers.bytes(),
      consumedBytes: 0,
      isBroken: true,
    });
  }
}
