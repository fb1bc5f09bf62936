/**
 * Workers that live as long as their pool.
 *
 * @module
 */

import { startWorker } from "../engine/start_worker.ts";
import type { Log, LogLevel } from "../monitor/log.ts";
import { resolvesWithin } from "../net/waiting.ts";

/** A message of a Worker to the main thread. */
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

/** After this many failures in a row, each new start waits. */
const FAILURES_AT_ONCE = 5;
/** After this many milliseconds without a failure, starts do not wait. */
const RECOVERED_AFTER_MS = 60_000;

/** The first wait, in milliseconds; each further one is twice as long. */
const FIRST_WAIT_MS = 1_000;
/** The longest wait, as a multiple of the first. */
const MAX_WAIT_FACTOR = 32;

/** The error for clients while all Workers of a pool wait to be replaced. */
export const NONE_LEFT =
  "No Worker is left: they died too often; another is started soon";

/** How many Workers of a set do not work. */
export interface WorkersDown {
  /** How many have died or could not begin, and are not replaced yet. */
  readonly down: number;
  /** How many of these wait before their replacement is started. */
  readonly waiting: number;
}

/** Options of a {@linkcode WorkerSet}. */
export interface WorkerSetOptions<Task> {
  /** The Workers' entry module. */
  readonly url: URL;
  /** Their name, for a debugger. */
  readonly name: string;
  /** The first message to a Worker, by its number from 0. */
  readonly taskOf: (worker: number) => Task;
  /** Called when a Worker has died, before another takes its number. */
  readonly onDeath?: (worker: number, error: Error) => void;
  /** Called when there are more that do not work, or fewer. */
  readonly onDown?: (down: WorkersDown) => void;
  /** Where events go. */
  readonly log: Log;
  /**
   * How long the first start waits that does, in milliseconds.
   *
   * @default {1_000}
   */
  readonly firstWaitMs?: number;
}

interface Member {
  readonly worker: Worker;
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;
}

/**
 * Workers with numbers from 0. One that dies is replaced: at once, or after a
 * wait that doubles each time, should they die often.
 */
export class WorkerSet<Task> {
  readonly #options: WorkerSetOptions<Task>;
  readonly #members = new Map<number, Member>();
  readonly #down = new Set<number>();
  readonly #waiting = new Map<number, ReturnType<typeof setTimeout>>();
  /** Deaths and starts that failed, none a minute after the one before. */
  #failures = 0;
  #failedMs = 0;
  #isStopping = false;

  /** @param options See {@linkcode WorkerSetOptions}. */
  constructor(options: WorkerSetOptions<Task>) {
    this.#options = options;
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
    for (const timer of this.#waiting.values()) clearTimeout(timer);
    this.#waiting.clear();
    const members = [...this.#members.values()];
    members.forEach(({ worker }) => ask(worker));
    const stopped = Promise.all(members.map((member) => member.stopped));
    if (!await resolvesWithin(stopped, timeoutMs)) {
      throw new Error(`Workers did not stop within ${timeoutMs} ms`);
    }
    members.forEach(({ worker }) => worker.terminate());
    this.#members.clear();
  }

  /** Sends a message to all Workers. */
  broadcast(message: Task): void {
    for (const { worker } of this.#members.values()) {
      worker.postMessage(message);
    }
  }

  /** @throws {Error} If there are too few descriptors for it. */
  #start(number: number): Member {
    const { url, name, taskOf, log } = this.#options;
    const worker = startWorker(url, { name });
    const ready = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    // A caller that does not wait for it need not handle it.
    ready.promise.catch(() => {});
    const member: Member = {
      worker,
      ready: ready.promise,
      stopped: stopped.promise,
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.kind === "log") {
        log(data.level, data.message, { worker: number });
      } else if (data.kind === "ready") {
        ready.resolve();
        this.#down.delete(number);
        this.#reportDown();
      } else if (data.kind === "failed") {
        ready.reject(data.error);
        stopped.resolve();
        // One of the first is for the caller of start() to judge.
        if (!this.#down.has(number)) return;
        worker.terminate();
        this.#replace(number, data.error);
      } else stopped.resolve();
    };
    worker.onerror = (event) => {
      // Without this the error would end the whole process.
      event.preventDefault();
      const error = new Error(`Worker died: ${event.message}`);
      ready.reject(error);
      stopped.resolve();
      this.#options.onDeath?.(number, error);
      this.#replace(number, error);
    };
    this.#members.set(number, member);
    worker.postMessage(taskOf(number));
    return member;
  }

  /** Has another Worker take a number, at once or in a while. */
  #replace(number: number, error: Error): void {
    this.#members.delete(number);
    if (this.#isStopping) return;
    this.#down.add(number);
    const waitMs = this.#nextWaitMs();
    const start = () => {
      this.#waiting.delete(number);
      this.#reportDown();
      try {
        this.#start(number);
      } catch (error) {
        // Nothing is gained by asking again at once.
        this.#failures = Math.max(this.#failures, FAILURES_AT_ONCE);
        this.#replace(number, error as Error);
      }
    };
    const when = waitMs === 0 ? "" : ` in ${waitMs / 1_000} s`;
    this.#options.log("error", `${error.message}; starting another${when}`, {
      worker: number,
    });
    if (waitMs === 0) return start();
    this.#waiting.set(number, setTimeout(start, waitMs));
    this.#reportDown();
  }

  #nextWaitMs(): number {
    const nowMs = performance.now();
    if (nowMs - this.#failedMs > RECOVERED_AFTER_MS) this.#failures = 0;
    this.#failedMs = nowMs;
    const waits = this.#failures++ - FAILURES_AT_ONCE;
    if (waits < 0) return 0;
    const { firstWaitMs = FIRST_WAIT_MS } = this.#options;
    return firstWaitMs * Math.min(2 ** waits, MAX_WAIT_FACTOR);
  }

  #reportDown(): void {
    this.#options.onDown?.({
      down: this.#down.size,
      waiting: this.#waiting.size,
    });
  }
}
