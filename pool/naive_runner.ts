/**
 * The pool `naive`.
 *
 * @module
 */

import { JobBoard } from "./job_board.ts";
import type { JobRunner } from "./job_pool.ts";
import type { JobWorkerTask } from "./job_worker.ts";
import type { PoolOptions } from "./pool.ts";
import { resolvesWithin } from "./time_limit.ts";
import type { WorkerMessage } from "./worker_set.ts";

/**
 * Starts a Worker for each job, and lets it end with it: the pool to learn
 * from, since starting a Worker costs a thousand times what a job does. It
 * runs as many at once as it has threads; further jobs wait.
 */
export class NaiveRunner implements JobRunner {
  readonly board: JobBoard;
  /** Never: what fails is only ever one job. */
  readonly failed: Promise<never> = new Promise(() => {});
  readonly #options: PoolOptions;
  readonly #running = new Set<Promise<void>>();

  /** @param options See {@linkcode PoolOptions}. */
  constructor(options: PoolOptions) {
    this.#options = options;
    this.board = new JobBoard(options.threads, (slot) => {
      const run = this.#run(slot).finally(() => this.#running.delete(run));
      this.#running.add(run);
    });
  }

  /** @inheritdoc */
  async start(): Promise<void> {}

  /** @inheritdoc */
  async stop(timeoutMs: number): Promise<void> {
    if (!await resolvesWithin(Promise.all(this.#running), timeoutMs)) {
      throw new Error(`Workers did not stop within ${timeoutMs} ms`);
    }
    this.board.close();
  }

  /** Runs a slot's job; resolves when its Worker has let go of the engine. */
  #run(slot: number): Promise<void> {
    const { engine, limits, log } = this.#options;
    const worker = new Worker(new URL("./job_worker.ts", import.meta.url), {
      type: "module",
      name: "kvs-job",
    });
    return new Promise((resolve) => {
      const fail = (error: Error) => {
        log("error", error.message);
        this.board.failJob(slot, error.message);
        worker.terminate();
        resolve();
      };
      worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
        if (data.kind === "failed") fail(data.error);
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
          slots: this.board.slots.buffer,
          worker: slot,
          work: { kind: "one", slot },
        } satisfies JobWorkerTask,
      );
    });
  }
}
