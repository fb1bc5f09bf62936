/**
 * The pool `naive`.
 *
 * @module
 */

import { startWorker } from "../engine/start_worker.ts";
import { JOB_WORKER, JobBoard, type JobRunner } from "./job_board.ts";
import type { JobWorkerTask } from "./job_loop.ts";
import type { PoolOptions } from "./pool.ts";
import { resolvesWithin } from "../net/waiting.ts";
import type { WorkerMessage } from "./worker_set.ts";

/**
 * Starts a Worker for each job, and lets it end with it: the pool to learn
 * from, since starting a Worker costs a thousand times what a job does. There
 * are never more Workers than threads; further jobs wait.
 */
export class NaiveRunner implements JobRunner {
  readonly board: JobBoard;
  readonly #options: PoolOptions;
  readonly #entry: URL;
  readonly #running = new Set<Promise<void>>();
  /** Slots whose job waits for a Worker to end: it answers before it does. */
  readonly #queued: number[] = [];
  /** Each Worker has a number of its own, by which its job is known. */
  #nextWorker = 0;

  /**
   * @param options See {@linkcode PoolOptions}.
   * @param entry The Workers' entry module.
   */
  constructor(options: PoolOptions, entry: URL = JOB_WORKER) {
    this.#options = options;
    this.#entry = entry;
    this.board = new JobBoard(options.threads, (slot) => {
      this.#queued.push(slot);
      this.#startWorkers();
    });
  }

  /** @inheritdoc */
  async start(): Promise<void> {}

  /** @inheritdoc */
  async stop(timeoutMs: number): Promise<void> {
    this.board.slots.stop();
    try {
      if (!await resolvesWithin(this.#ended(), timeoutMs)) {
        throw new Error(`Workers did not stop within ${timeoutMs} ms`);
      }
    } finally {
      this.board.close();
    }
  }

  async #ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #startWorkers(): void {
    while (this.#running.size < this.#options.threads) {
      const slot = this.#queued.shift();
      if (slot === undefined) return;
      const run = this.#run(slot).then(() => {
        this.#running.delete(run);
        this.#startWorkers();
      });
      this.#running.add(run);
    }
  }

  /** Runs a slot's job; resolves when its Worker has let go of the engine. */
  #run(slot: number): Promise<void> {
    const { engine, limits, monitor, log } = this.#options;
    const number = this.#nextWorker++;
    const { slots } = this.board;
    slots.assign(slot, number);
    const { promise, resolve } = Promise.withResolvers<void>();
    let worker: Worker | undefined;
    const fail = (error: Error) => {
      log("error", error.message);
      // Nothing if it has answered already, whosever job is in the slot now.
      this.board.failJobsOf(number, error.message);
      worker?.terminate();
      resolve();
    };
    try {
      worker = startWorker(this.#entry, { name: "kvs-job" });
    } catch (error) {
      fail(error as Error);
      return promise;
    }
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === "log") log(data.level, data.message);
      else if (data.kind === "failed") fail(data.error);
      else if (data.kind === "stopped") resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(new Error(`Worker died: ${event.message}`));
    };
    worker.postMessage(
      {
        engine,
        limits,
        monitor,
        slots: slots.buffer,
        worker: number,
        work: { kind: "one", slot },
      } satisfies JobWorkerTask,
    );
    return promise;
  }
}
