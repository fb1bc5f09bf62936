/**
 * The entry of a Worker that runs jobs.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { attachEngine } from "../engine/open.ts";
import { type JobWorkerTask, runJobs } from "./job_loop.ts";

self.onmessage = ({ data }: MessageEvent<JobWorkerTask>) =>
  runJobs(data, attachEngine);
