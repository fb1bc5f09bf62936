/**
 * How the jobs of a pool get to Workers.
 *
 * @module
 */

import type { JobBoard } from "./job_board.ts";

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
   * @param timeoutMs How many milliseconds that may take.
   * @throws {Error} If it takes longer.
   */
  stop(timeoutMs: number): Promise<void>;
}
