/**
 * The load generator: a process of its own, which reads plans from standard
 * input, one JSON object a line, and answers each with a line: its result, or
 * `{"error":"…"}`.
 *
 * It needs `--allow-ffi`, to call the C library, and `--allow-read` for its own
 * modules.
 *
 * @module
 */

import { linesOf } from "../support/lines.ts";
import { Histogram } from "../../monitor/histogram.ts";
import type { ThreadResult } from "./meter.ts";
import type { LoadPlan, LoadResult } from "./plan.ts";
import type { WorkerAnswer, WorkerTask } from "./worker.ts";

const workers: Worker[] = [];

if (import.meta.main) {
  for await (const line of linesOf(Deno.stdin.readable)) {
    let answer: LoadResult | { readonly error: string };
    try {
      answer = await run(JSON.parse(line));
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : `${error}` };
    }
    console.log(JSON.stringify(answer));
  }
  workers.forEach((worker) => worker.terminate());
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  while (workers.length < plan.threads) {
    const url = new URL("./worker.ts", import.meta.url);
    workers.push(new Worker(url, { type: "module" }));
  }
  const shares = workers.slice(0, plan.threads).map((worker, i) => ({
    worker,
    plan: shareOf(plan, i),
    seed: i + 1,
  }));
  // All are ready before the first begins, or it would have the server alone.
  await Promise.all(
    shares.map(({ worker, ...task }) =>
      ask(worker, { ...task, isStart: false })
    ),
  );
  const answers = await Promise.all(
    shares.map(({ worker, ...task }) =>
      ask(worker, { ...task, isStart: true })
    ),
  );
  return combine(
    answers.flatMap((answer) => answer.kind === "done" ? [answer.result] : []),
  );
}

/** The part of a plan that one of its threads does. */
function shareOf(plan: LoadPlan, thread: number): LoadPlan {
  const { connections, threads, ratePerS } = plan;
  const share = Math.floor((connections + thread) / threads);
  return {
    ...plan,
    connections: share,
    ratePerS: ratePerS && ratePerS * share / connections,
  };
}

function ask(worker: Worker, task: WorkerTask): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      if (data.kind === "failed") reject(new Error(data.message));
      else resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(task);
  });
}

function combine(results: readonly ThreadResult[]): LoadResult {
  const histogram = new Histogram();
  let requests = 0;
  let requestsInAll = 0;
  let ratePerS = 0;
  let generatorBusy = 0;
  for (const result of results) {
    histogram.add(new Histogram(result.counts));
    requests += result.requests;
    requestsInAll += result.requestsInAll;
    ratePerS += result.requests / result.elapsedMs * 1e3;
    generatorBusy = Math.max(generatorBusy, result.cpuMs / result.elapsedMs);
  }
  return {
    requests,
    requestsInAll,
    ratePerS,
    p50Us: histogram.percentileUs(0.5),
    p99Us: histogram.percentileUs(0.99),
    p999Us: histogram.percentileUs(0.999),
    generatorBusy,
  };
}
