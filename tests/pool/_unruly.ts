/**
 * Runners of jobs whose engine does what keys tell it to: `count N` notes that
 * it was looked up, `throw` throws, `poison` gives what breaks the code around
 * the engine, `die` kills the Worker, `meet N` waits until N Workers are there
 * at the same time, `large N` is N bytes, `timer N` counts once a timer has run
 * out. A compaction lasts until it is released, or the engine is closed. All
 * other keys are those of a real engine.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type {
  EngineHandle,
  EngineName,
  SyncMode,
} from "../../engine/engine.ts";
import { openEngine } from "../../engine/open.ts";
import { shareMonitor } from "../../monitor/monitor.ts";
import type { JobRunner } from "../../pool/job_board.ts";
import type { JobResult } from "../../pool/job_slots.ts";
import { NaiveRunner } from "../../pool/naive_runner.ts";
import { QueueRunner } from "../../pool/queue_runner.ts";
import { AnswerBuffer } from "../../protocol/json/answer_buffer.ts";
import type { RequestLimits } from "../../protocol/json/request_buffer.ts";

/** What an unruly Worker needs besides the engine's own handle. */
export interface UnrulyHandle extends EngineHandle {
  readonly buffer: SharedArrayBuffer;
  /** How long a sync takes at least; 0 for as long as it takes. */
  readonly syncDelayMs: number;
}

/** Keys that can be counted; the words behind these counts are below. */
export const COUNTS = 4096;
/** How many threads have come to meet. */
export const MEETING = COUNTS;
/** Whether a compaction has begun… */
export const COMPACTING = COUNTS + 1;
/** …and whether it may end. */
export const RELEASED = COUNTS + 2;
/** How many syncs there were. */
export const SYNCS = COUNTS + 3;
const WORDS = COUNTS + 4;

/** The strategies whose jobs are batches. */
export const JOB_STRATEGIES = [
  "shared-queue",
  "work-stealing",
  "naive",
] as const;

/** Options of {@linkcode withRunner}. */
export interface RunnerSetup {
  readonly strategy: typeof JOB_STRATEGIES[number];
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly sync?: SyncMode;
  readonly syncDelayMs?: number;
  readonly limits?: RequestLimits;
}

/** What a test gets to work with. */
export interface RunnerKit {
  readonly runner: JobRunner;
  /** Runs a batch of requests, and gives the answers as text. */
  readonly run: (...requests: unknown[]) => Promise<string>;
  /** The same, with all that is known of the result. */
  readonly runBatch: (
    batch: string,
  ) => Promise<JobResult & { readonly answers: Uint8Array }>;
  readonly words: Int32Array;
  readonly log: readonly string[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const ENTRY = new URL("./_unruly_job_worker.ts", import.meta.url);

/** Runs a body with a runner, which is stopped after it. */
export async function withRunner(
  setup: RunnerSetup,
  body: (kit: RunnerKit) => Promise<void>,
): Promise<void> {
  const { strategy, threads = 2, sync = "no", syncDelayMs = 0 } = setup;
  const root = Deno.makeTempDirSync({ prefix: "kvs_runner_" });
  const engine = await openEngine(`${root}/data`, {
    engine: setup.engine ?? "kvs",
    create: true,
    sync,
  });
  const buffer = new SharedArrayBuffer(WORDS * 4);
  const log: string[] = [];
  const options = {
    engine: { ...engine.share(), buffer, syncDelayMs } satisfies UnrulyHandle,
    threads,
    limits: setup.limits ?? {},
    acceptAhead: 1,
    access: {},
    monitor: shareMonitor(strategy, threads),
    log: (_level: string, message: string) => void log.push(message),
  };
  const runner: JobRunner = strategy === "naive"
    ? new NaiveRunner(options, ENTRY)
    : new QueueRunner(options, strategy === "work-stealing", ENTRY);
  const runBatch = async (batch: string) => {
    const answers = new AnswerBuffer();
    const result = await runner.board.run(encoder.encode(batch), answers);
    return { answers: answers.bytes(), ...result };
  };
  const run = async (...requests: unknown[]) =>
    decoder.decode((await runBatch(lines(...requests))).answers);
  try {
    await runner.start();
    await body({ runner, run, runBatch, words: new Int32Array(buffer), log });
  } finally {
    await runner.stop(10_000);
    await engine.close();
    Deno.removeSync(root, { recursive: true });
  }
}

/** The request to look a key up. */
export function get(key: string): unknown {
  return { Get: { key } };
}

/** The request to set a key. */
export function set(key: string, value: string): unknown {
  return { Set: { key, value } };
}

/** Requests as text, one a line. */
export function lines(...requests: unknown[]): string {
  return requests.map((request) => `${JSON.stringify(request)}\n`).join("");
}

/** The answer to a request without a result, as a line. */
export const OK = '{"Ok":null}\n';

/** Makes so many of something at once. */
export function times<T>(count: number, make: (i: number) => Promise<T>) {
  return Promise.all(Array.from({ length: count }, (_, i) => make(i)));
}

/** Makes sure that so many Workers run jobs at the same time. */
export async function assertSize({ run, words }: RunnerKit, threads: number) {
  Atomics.store(words, MEETING, 0);
  const met = await times(threads, () => run(get(`meet ${threads}`)));
  assertEquals(met, Array(threads).fill(OK));
}
