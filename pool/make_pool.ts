/**
 * Making a pool by the name of its strategy.
 *
 * @module
 */

import { JobPool } from "./job_pool.ts";
import { NaiveRunner } from "./naive_runner.ts";
import type { PoolOptions, PoolStrategy, ThreadPool } from "./pool.ts";
import { QueueRunner } from "./queue_runner.ts";
import { ReusePortPool } from "./reuse_port.ts";

/**
 * Makes a pool that does not listen yet.
 *
 * @param strategy Its strategy.
 * @param options What it needs to serve.
 * @returns The pool.
 */
export function makePool(
  strategy: PoolStrategy,
  options: PoolOptions,
): ThreadPool {
  switch (strategy) {
    case "reuse-port":
      return new ReusePortPool(options);
    case "shared-queue":
      return new JobPool(new QueueRunner(options, false), options);
    case "work-stealing":
      return new JobPool(new QueueRunner(options, true), options);
    case "naive":
      return new JobPool(new NaiveRunner(options), options);
  }
}
