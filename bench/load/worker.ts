/**
 * The entry of a thread of the load generator.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { Libc } from "./libc.ts";
import type { ThreadResult } from "./meter.ts";
import { OneShotLoad } from "./one_shot_load.ts";
import { PersistentLoad } from "./persistent_load.ts";
import type { LoadPlan } from "./plan.ts";
import { makeRequests, type Requests } from "./requests.ts";

/** What a thread is told: to get its requests ready, then to run them. */
export interface WorkerTask {
  /** This thread's share of a plan. */
  readonly plan: LoadPlan;
  /** Draws the keys; each thread has its own. */
  readonly seed: number;
  /** Whether to run the plan, or only to get ready for it. */
  readonly isStart: boolean;
}

/** What a thread answers. */
export type WorkerAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly result: ThreadResult }
  | { readonly kind: "failed"; readonly message: string };

const libc = new Libc();

/** The requests made last, and what they were made for. */
let requests: Requests | undefined;
let madeFor = "";

self.onmessage = ({ data }: MessageEvent<WorkerTask>) => {
  try {
    post(handle(data));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    post({ kind: "failed", message });
  }
};

function handle({ plan, seed, isStart }: WorkerTask): WorkerAnswer {
  const { dialect, operation, data, depth, isFill } = plan;
  const wanted = JSON.stringify([dialect, operation, data, depth, isFill]);
  if (requests === undefined || madeFor !== wanted) {
    requests = makeRequests(plan, seed);
    madeFor = wanted;
  }
  if (!isStart) return { kind: "ready" };
  const load = plan.mode === "one-shot"
    ? new OneShotLoad(libc, plan, requests)
    : new PersistentLoad(libc, plan, requests);
  try {
    return { kind: "done", result: load.run() };
  } finally {
    load.close();
  }
}

function post(answer: WorkerAnswer): void {
  self.postMessage(answer);
}
