/**
 * The pools `shared-queue` and `work-stealing`.
 *
 * @module
 */

import { WorkerTally } from "../monitor/monitor.ts";
import { JOB_WORKER, JobBoard, type JobRunner } from "./job_board.ts";
import { SLOTS } from "./job_slots.ts";
import { queueWords, sharedQueue, takeAllQueued } from "./job_source.ts";
import type { JobWorkerTask } from "./job_loop.ts";
import type { PoolOptions } from "./pool.ts";
import { NONE_LEFT, WorkerSet } from "./worker_set.ts";

/**
 * Runs jobs on a fixed number of Workers, which take them from queues in
 * shared memory.
 */
export class QueueRunner implements JobRunner {
  readonly board: JobBoard;
  readonly #workers: WorkerSet<JobWorkerTask>;
  readonly #threads: number;

  /**
   * @param options See {@linkcode PoolOptions}.
   * @param isStealing Whether each Worker has a deque of its own.
   * @param entry The Workers' entry module.
   */
  constructor(
    options: PoolOptions,
    isStealing: boolean,
    entry: URL = JOB_WORKER,
  ) {
    const { engine, threads, limits, monitor, log } = options;
    const queues = new SharedArrayBuffer(queueWords(threads) * 4);
    const words = new Int32Array(queues);
    const queue = sharedQueue(words);
    const tally = new WorkerTally(monitor);
    let isNoneLeft = false;
    // There is a place in the queue for every slot, so it is never full: who
    // has no slot waits for one.
    const board = new JobBoard(SLOTS, (slot) => {
      if (isNoneLeft) return board.failQueued(slot, NONE_LEFT);
      queue.push(slot);
      board.slots.submitted.announce(1);
    });
    this.board = board;
    this.#threads = threads;
    this.#workers = new WorkerSet<JobWorkerTask>({
      url: entry,
      name: "kvs-jobs",
      taskOf: (worker) => ({
        engine,
        limits,
        monitor,
        slots: board.slots.buffer,
        worker,
        work: { kind: "queues", queues, workers: threads, isStealing },
      }),
      onDeath: (worker, error) => {
        tally.died();
        board.failJobsOf(worker, error.message);
      },
      onDown: ({ down, waiting }) => {
        tally.setDown(down);
        isNoneLeft = waiting === threads;
        if (!isNoneLeft) return;
        for (const slot of takeAllQueued(words, threads)) {
          board.failQueued(slot, NONE_LEFT);
        }
      },
      log,
    });
  }

  /** @inheritdoc */
  async start(): Promise<void> {
    await this.#workers.start(this.#threads);
  }

  /** @inheritdoc */
  async stop(timeoutMs: number): Promise<void> {
    this.board.slots.stop();
    try {
      await this.#workers.stop(() => {}, timeoutMs);
    } finally {
      this.board.close();
    }
  }
}
