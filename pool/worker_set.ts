/**
 * Workers that live as long as their pool.
 *
 * @module
 */

import type { Log, LogLevel } from "../monitor/log.ts";
import { resolvesWithin } from "./time_limit.ts";

/** What every Worker of a pool tells the main thread. */
export type WorkerMessage =
  /** It does its work from now on. */
  | { readonly kind: "ready" }
  /** It can't begin. */
  | { readonly kind: "failed"; readonly error: Error }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
  }
  /** It has let go of everything. */
  | { readonly kind: "stopped" };

/** Deaths of Workers, within the interval, after which the set gives up. */
const MAX_DEATHS = 5;
const DEATHS_INTERVAL_MS = 60_000;

/** Options of a {@linkcode WorkerSet}. */
export interface WorkerSetOptions<Task> {
  /** The Workers' entry module. */
  readonly url: URL;
  /** Their name, for a debugger. */
  readonly name: string;
  /** What a Worker is told first, by its number, from 0. */
  readonly taskOf: (worker: number) => Task;
  /** Called when a Worker has died, before another takes its number. */
  readonly onDeath?: (worker: number, error: Error) => void;
  /** Where events go. */
  readonly log: Log;
}

interface Member {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;
}

/**
 * Workers with numbers from 0. One that dies is replaced, unless they die
 * often; then the set has failed.
 */
export class WorkerSet<Task> {
  /** Settled with an error once the set can't go on. */
  readonly failed: Promise<never>;
  readonly #options: WorkerSetOptions<Task>;
  readonly #members = new Map<number, Member>();
  readonly #fail: (error: Error) => void;
  readonly #deathsMs: number[] = [];
  #isStopping = false;

  /** @param options See {@linkcode WorkerSetOptions}. */
  constructor(options: WorkerSetOptions<Task>) {
    this.#options = options;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#fail = reject;
    // Whoever does not wait for it need not hear of it.
    promise.catch(() => {});
  }

  /**
   * Starts the Workers.
   *
   * @param count How many; all are ready once this resolves.
   * @throws {Error} If one can't begin.
   */
  async start(count: number): Promise<void> {
    const members = Array.from({ length: count }, (_, i) => this.#start(i));
    await Promise.all(members.map((member) => member.ready));
  }

  /**
   * Ends the Workers.
   *
   * @param ask Asks one to end by itself.
   * @param timeoutMs How long that may take, in milliseconds.
   * @throws {Error} If it takes longer. They are not terminated then: native
   * code that an engine runs in a Worker does not survive that, and would take
   * the process with it.
   */
  async stop(ask: (worker: Worker) => void, timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    const members = [...this.#members.values()];
    members.forEach(({ worker }) => ask(worker));
    const stopped = Promise.all(members.map((member) => member.stopped));
    if (!await resolvesWithin(stopped, timeoutMs)) {
      throw new Error(`Workers did not stop within ${timeoutMs} ms`);
    }
    members.forEach(({ worker }) => worker.terminate());
    this.#members.clear();
  }

  #start(number: number): Member {
    const { url, name, taskOf, log } = this.#options;
    const worker = new Worker(url, { type: "module", name });
    const ready = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    const member: Member = {
      worker,
      ready: ready.promise,
      stopped: stopped.promise,
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === "log") {
        log(data.level, data.message, { worker: number });
      } else if (data.kind === "ready") ready.resolve();
      else if (data.kind === "failed") {
        ready.reject(data.error);
        stopped.resolve();
      } else stopped.resolve();
    };
    worker.onerror = (event) => {
      // Without this the error would end the whole process.
      event.preventDefault();
      const error = new Error(`Worker died: ${event.message}`);
      ready.reject(error);
      stopped.resolve();
      this.#onDeath(number, error);
    };
    this.#members.set(number, member);
    worker.postMessage(taskOf(number));
    return member;
  }

  #onDeath(number: number, error: Error): void {
    this.#options.onDeath?.(number, error);
    this.#members.delete(number);
    if (this.#isStopping) return;
    const nowMs = performance.now();
    this.#deathsMs.push(nowMs);
    while (this.#deathsMs[0] < nowMs - DEATHS_INTERVAL_MS) {
      this.#deathsMs.shift();
    }
    if (this.#deathsMs.length > MAX_DEATHS) {
      this.#fail(
        new Error(`Too many Workers died; the last: ${error.message}`),
      );
      return;
    }
    this.#options.log("error", `${error.message}; starting another`, {
      worker: number,
    });
    this.#start(number).ready.catch((error) => this.#fail(error));
  }
}
