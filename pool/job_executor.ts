/**
 * Running one job.
 *
 * @module
 */

import type { KvsEngine, MaybePromise } from "../engine/engine.ts";
import type { Monitor } from "../monitor/monitor.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { Executor } from "../net/executor.ts";
import type { ServerLimits } from "../net/limits.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type { KvsRequest, ProtocolError } from "../protocol/request.ts";
import type { JobContext, JobSlots } from "./job_slots.ts";

/** Buffers that a larger batch was in are not kept for the next one. */
const KEPT_BYTES = 256 * 1024;

/** The requests of a job, until one that its connection's thread has to run. */
class JobRequests {
  readonly buffer: RequestBuffer;
  hasSnapshot = false;

  constructor(buffer: RequestBuffer) {
    this.buffer = buffer;
  }

  next(): KvsRequest | ProtocolError | undefined {
    const { buffer, hasSnapshot } = this;
    const { position } = buffer;
    const request = buffer.next();
    if (request === undefined || !isOfConnection(request, hasSnapshot)) {
      return request;
    }
    buffer.rewind(position);
    return undefined;
  }
}

/** Whether the thread of the connection has to run a request, not a Worker. */
export function isOfConnection(
  { kind }: KvsRequest | ProtocolError,
  hasSnapshot: boolean,
): boolean {
  return kind === "snapshot" || (kind === "scan" && hasSnapshot);
}

/** The buffers of a job, kept for the next one. */
interface JobBuffers {
  readonly requests: JobRequests;
  readonly answers: AnswerBuffer;
}

/** A job that was taken out of its slot. */
interface Job extends JobBuffers {
  readonly batchBytes: number;
}

/** Runs the jobs that a Worker takes. */
export class JobExecutor {
  readonly #executor: Executor;
  readonly #slots: JobSlots;
  readonly #limits: ServerLimits;
  readonly #unused: JobBuffers[] = [];

  constructor(
    engine: KvsEngine,
    slots: JobSlots,
    limits: ServerLimits,
    monitor: Monitor,
  ) {
    this.#executor = new Executor(engine, monitor);
    this.#slots = slots;
    this.#limits = limits;
  }

  /**
   * Runs the job of a slot. What it throws becomes its answer: the Worker
   * lives on. A promise resolves once it is answered.
   */
  run(slot: number): Promise<void> | void {
    let job: Job;
    let ran: MaybePromise<boolean>;
    try {
      job = this.#take(slot);
      ran = this.#executor.run(job.requests, job.answers);
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
    const { requests, answers } = this.#unused.pop() ?? this.#makeBuffers();
    const { buffer } = requests;
    const context: JobContext = this.#slots.contextOf(slot);
    requests.hasSnapshot = context.hasSnapshot;
    buffer.hasBegun = context.hasBegun;
    const batchBytes = this.#slots.take(
      slot,
      (batchBytes) => buffer.space(batchBytes),
    );
    buffer.commit(batchBytes);
    return { requests, answers, batchBytes };
  }

  #makeBuffers(): JobBuffers {
    const buffer = new RequestBuffer(this.#limits);
    // A batch is whole requests, of which the last may have been ended by the
    // end of its stream: nothing in a batch waits for more.
    buffer.end();
    const answers = new AnswerBuffer(this.#limits.maxUnreadBytes);
    return { requests: new JobRequests(buffer), answers };
  }

  #finish(slot: number, { requests, answers, batchBytes }: Job): void {
    const { unusedBytes, isBroken } = requests.buffer;
    this.#slots.finish(slot, {
      answers: answers.bytes(),
      consumedBytes: batchBytes - unusedBytes,
      isBroken,
    });
    if (unusedBytes > 0 || isBroken) return;
    if (batchBytes > KEPT_BYTES) return;
    answers.clear();
    this.#unused.push({ requests, answers });
  }

  #fail(slot: number, error: unknown): void {
    const answers = new AnswerBuffer();
    answers.err(error instanceof Error ? error.message : String(error));
    // How far the batch came is not known, so nothing after it may run.
    this.#slots.finish(slot, {
      answers: answers.bytes(),
      consumedBytes: 0,
      isBroken: true,
    });
  }
}
