/**
 * The life of a Worker that runs jobs.
 *
 * @module
 */

import { asError } from "../engine/errors.ts";
import type { EngineHandle, KvsEngine } from "../engine/engine.ts";
import { workerScope } from "../engine/worker_scope.ts";
import { Monitor, type MonitorHandle } from "../monitor/monitor.ts";
import type { ServerLimits } from "../net/limits.ts";
import { NOTHING } from "./deque.ts";
import { JobExecutor } from "./job_executor.ts";
import { JobSlots } from "./job_slots.ts";
import {
  fromOwnDeque,
  fromSharedQueue,
  type JobSource,
  justOne,
} from "./job_source.ts";
import { eventLoopTurn, resolvesWithin } from "../net/waiting.ts";
import type { WorkerMessage } from "./worker_set.ts";

/** What a Worker needs to run jobs. */
export interface JobWorkerTask {
  readonly engine: EngineHandle;
  readonly limits: ServerLimits;
  readonly monitor: MonitorHandle;
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
const SLEEP_MS = 200;

/**
 * After how many milliseconds of jobs the event loop has its turn: often while
 * some wait for the disk, or their answers would wait for the others; now and
 * then in any case, for the engine's timers.
 */
const PENDING_TURN_MS = 0.5;
const TURN_MS = 100;

/** How long to wait for jobs under way when the pool stops, in ms. */
const DRAIN_MS = 1_000;

/**
 * Spends a Worker's life: attaches to the engine, runs jobs, lets go of the
 * engine.
 *
 * @param task What to work on.
 * @param attach Attaches to the engine, and reports failures beside requests.
 */
export async function runJobs(
  task: JobWorkerTask,
  attach: (
    handle: EngineHandle,
    onFailure: (error: Error) => void,
  ) => Promise<KvsEngine>,
): Promise<void> {
  const worker = workerScope<never, WorkerMessage>();
  let engine: KvsEngine;
  try {
    engine = await attach(
      task.engine,
      ({ message }) =>
        worker.postMessage({ kind: "log", level: "error", message }),
    );
  } catch (error) {
    worker.postMessage({ kind: "failed", error: asError(error) });
    return;
  }
  worker.postMessage({ kind: "ready" });
  const slots = JobSlots.attach(task.slots);
  const loop = new JobLoop(task, slots, engine);
  await loop.run();
  try {
    await engine.close();
    worker.postMessage({ kind: "stopped" });
  } catch (error) {
    // The instance that opened the store closes next, and fails likewise.
    worker.postMessage({ kind: "failed", error: asError(error) });
  }
  worker.close();
}

/**
 * Runs jobs until there will be no more. While some wait for the disk, others
 * run; the thread blocks only when there is nothing to wait for but jobs.
 */
class JobLoop {
  readonly #slots: JobSlots;
  readonly #worker: number;
  readonly #executor: JobExecutor;
  readonly #nextJob: JobSource;
  readonly #isOnce: boolean;
  /** Jobs that wait for the engine. */
  readonly #pending = new Set<Promise<void>>();
  #turnedMs = 0;

  constructor(task: JobWorkerTask, slots: JobSlots, engine: KvsEngine) {
    this.#slots = slots;
    this.#worker = task.worker;
    this.#executor = new JobExecutor(
      engine,
      slots,
      task.limits,
      new Monitor(task.monitor, rowOf(task)),
    );
    this.#nextJob = sourceOf(task, () => slots.submitted.announce(1));
    this.#isOnce = task.work.kind === "one";
  }

  async run(): Promise<void> {
    const { submitted } = this.#slots;
    for (;;) {
      const count = submitted.current;
      // Before the look for a job: one that came before the stop is found.
      const isLast = this.#isOnce || this.#slots.isStopping;
      const slot = this.#nextJob();
      if (slot !== NOTHING) this.#start(slot);
      else if (isLast) return await this.#drain();
      if (this.#isTurnDue()) await this.#turn();
      else if (slot === NOTHING) await this.#sleep(count);
    }
  }

  #start(slot: number): void {
    this.#slots.assign(slot, this.#worker);
    const ran = this.#executor.run(slot);
    if (ran === undefined) return;
    // If it rejects the Worker dies of it, and the main thread answers.
    const job = ran.finally(() => this.#pending.delete(job));
    this.#pending.add(job);
  }

  #sleep(count: number): Promise<void> | void {
    const { submitted } = this.#slots;
    if (this.#pending.size === 0) return submitted.sleep(count, SLEEP_MS);
    return submitted.sleepAsync(count, SLEEP_MS).then((slept) => {
      if (slept) this.#turnedMs = performance.now();
    });
  }

  #isTurnDue(): boolean {
    const limitMs = this.#pending.size > 0 ? PENDING_TURN_MS : TURN_MS;
    return performance.now() - this.#turnedMs >= limitMs;
  }

  async #turn(): Promise<void> {
    await eventLoopTurn();
    this.#turnedMs = performance.now();
  }

  /**
   * Waits for the jobs under way. When the pool stops it has waited for all
   * that anybody still waits for; what is left, such as a compaction, ends
   * when the engine is closed.
   */
  async #drain(): Promise<void> {
    const { submitted } = this.#slots;
    while (this.#pending.size > 0) {
      const count = submitted.current;
      const done = Promise.all(this.#pending);
      if (this.#slots.isStopping) {
        await resolvesWithin(done, DRAIN_MS);
        return;
      }
      await Promise.race([done, submitted.sleepAsync(count, SLEEP_MS)]);
    }
  }
}

/**
 * The row that the Worker counts in. One that runs a single job has its slot's:
 * nobody else has the slot until the job is answered, and is counted before.
 */
function rowOf({ work, worker }: JobWorkerTask): number {
  return work.kind === "one" ? work.slot : worker;
}

function sourceOf(
  { work, worker }: JobWorkerTask,
  onShared: () => void,
): JobSource {
  if (work.kind === "one") return justOne(work.slot);
  const words = new Int32Array(work.queues);
  return work.isStealing
    ? fromOwnDeque(words, worker, work.workers, onShared)
    : fromSharedQueue(words);
}
