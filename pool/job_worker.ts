/**
 * The entry of a Worker that runs jobs.
 *
 * @module
 */

import { attachEngine } from "../engine/open.ts";
import { workerScope } from "../engine/worker_scope.ts";
import { type JobWorkerTask, runJobs } from "./job_loop.ts";

workerScope<JobWorkerTask, never>().onmessage = ({ data }) =>
  runJobs(data, attachEngine);
