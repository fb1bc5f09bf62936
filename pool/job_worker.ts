/**
 * The entry of a Worker that runs jobs.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { EngineHandle, KvsEngine } from "../engine/engine.ts";
import { attachEngine } from "../engine/open.ts";
import { AnswerBuffer } from "../protocol/answer_buffer.ts";
import { NEWLINE } from "../protocol/bytes.ts";
import { execute } from "../protocol/execute.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../protocol/request_buffer.ts";
import { setImmediate } from "node:timers";
import { NOTHING } from "./deque.ts";
import { JobSlots } from "./job_slots.ts";
import { fromOwnDeque, fromSharedQueue, type JobSource } from "./job_source.ts";
import type { WorkerMessage } from "./worker_set.ts";

/** What a Worker needs to run jobs. */
export interface JobWorkerTask {
  readonly engine: EngineHandle;
  readonly limits: RequestLimits;
  readonly slots: SharedArrayBuffer;
  /** This Worker's number, from 0. */
  readonly worker: number;
  readonly work:
    /** One job, and then the Worker ends. */
    | { readonly kind: "one"; readonly slot: number }
    /** All jobs of a pool's queues, until it stops. */
    | {
      readonly kind: "queues";
      readonly queues: SharedArrayBuffer;
      readonly workers: number;
      readonly isStealing: boolean;
    };
}

/** How long to sleep at a time, in milliseconds. */
const SLEEP_MS = 1_000;

/** Jobs in a row after which pending syncs get a turn. */
const JOBS_PER_TURN = 16;

self.onmessage = async ({ data }: MessageEvent<JobWorkerTask>) => {
  let engine: KvsEngine;
  try {
    engine = await attachEngine(data.engine);
  } catch (error) {
    post({
      kind: "failed",
      error: error instanceof Error ? error : new Error(String(error)),
    });
    return;
  }
  post({ kind: "ready" });
  const slots = JobSlots.attach(data.slots);
  const { work, worker } = data;
  const run = (slot: number) =>
    runJob(engine, slots, slot, worker, data.limits);
  if (work.kind === "one") {
    await run(work.slot);
  } else {
    const words = new Int32Array(work.queues);
    const onShared = () => slots.submitted.announce(1);
    await runAll(
      slots,
      work.isStealing
        ? fromOwnDeque(words, worker, work.workers, onShared)
        : fromSharedQueue(words),
      run,
    );
  }
  await engine.close();
  post({ kind: "stopped" });
  self.close();
};

function post(message: WorkerMessage): void {
  self.postMessage(message);
}

/**
 * Runs jobs until the pool stops. While some wait for the disk, others run;
 * the thread blocks only when there is nothing to wait for but jobs.
 */
async function runAll(
  slots: JobSlots,
  nextJob: JobSource,
  run: (slot: number) => Promise<void> | void,
): Promise<void> {
  let pending = 0;
  let inARow = 0;
  for (;;) {
    const count = slots.submitted.current;
    const isStopping = slots.isStopping;
    const slot = nextJob();
    if (slot !== NOTHING) {
      const ran = run(slot);
      if (ran instanceof Promise) {
        pending++;
        ran.finally(() => pending--);
      }
      if (pending > 0 && ++inARow >= JOBS_PER_TURN) {
        inARow = 0;
        await turn();
      }
    } else if (pending > 0) {
      inARow = 0;
      await slots.submitted.sleepAsync(count, SLEEP_MS);
    } else if (isStopping) {
      return;
    } else {
      slots.submitted.sleep(count, SLEEP_MS);
    }
  }
}

/** Lets the event loop go round once. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The buffers of a job, kept for the next one. */
interface JobBuffers {
  readonly requests: RequestBuffer;
  readonly answers: AnswerBuffer;
}

const spareBuffers: JobBuffers[] = [];

/**
 * Runs one job. Whatever it throws becomes its answer; the Worker lives on.
 */
function runJob(
  engine: KvsEngine,
  slots: JobSlots,
  slot: number,
  worker: number,
  limits: RequestLimits,
): Promise<void> | void {
  const { requests, answers } = spareBuffers.pop() ??
    { requests: new RequestBuffer(limits), answers: new AnswerBuffer() };
  let batchBytes = 0;
  let lastByte = NEWLINE;
  const finish = () => {
    const { unusedBytes, isBroken } = requests;
    const consumedBytes = batchBytes - unusedBytes;
    slots.finish(slot, { answers: answers.bytes(), consumedBytes, isBroken });
    if (unusedBytes > 0 || isBroken || lastByte !== NEWLINE) return;
    answers.clear();
    spareBuffers.push({ requests, answers });
  };
  const fail = (error: unknown) => {
    answers.clear();
    answers.err(error instanceof Error ? error.message : String(error));
    slots.finish(slot, {
      answers: answers.bytes(),
      consumedBytes: batchBytes,
      isBroken: true,
    });
  };
  try {
    slots.take(slot, worker, (piece) => {
      batchBytes += piece.length;
      if (piece.length > 0) lastByte = piece[piece.length - 1];
      for (let at = 0; at < piece.length;) {
        const space = requests.space();
        const part = piece.subarray(at, at + space.length);
        space.set(part);
        requests.commit(part.length);
        at += part.length;
      }
    });
    // The batch is whole requests; only at the end of a stream does the last
    // one go without a newline.
    if (lastByte !== NEWLINE) requests.end();
    const ran = execute(engine, requests, answers);
    if (ran instanceof Promise) return ran.then(finish).catch(fail);
    finish();
  } catch (error) {
    fail(error);
  }
}
