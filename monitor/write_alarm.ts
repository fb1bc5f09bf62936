/**
 * Logging that a store refuses writes.
 *
 * @module
 */

import type { MaybePromise, StoreStats } from "../engine/engine.ts";
import type { Log } from "./log.ts";

/** How often to check, in milliseconds. */
const CHECK_INTERVAL_MS = 10_000;
/** How often it is logged again, in milliseconds. */
const REPEAT_INTERVAL_MS = 60_000;

/** Logs that writes are refused: at once, and again every minute. */
export class WriteAlarm {
  readonly #stats: () => MaybePromise<StoreStats>;
  readonly #log: Log;
  #timer: ReturnType<typeof setInterval> | undefined;
  #loggedMs: number | undefined;

  constructor(stats: () => MaybePromise<StoreStats>, log: Log) {
    this.#stats = stats;
    this.#log = log;
  }

  /** Checks now, and regularly from now on. */
  start(): void {
    const check = () => this.check(performance.now());
    check();
    this.#timer ??= setInterval(check, CHECK_INTERVAL_MS);
  }

  /** Stops checking. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Checks once, at a time by any clock. */
  async check(nowMs: number): Promise<void> {
    let reason: string | undefined;
    try {
      reason = (await this.#stats()).writesRefused;
    } catch {
      // A client that asks for the stats gets the error.
      return;
    }
    if (reason === undefined) {
      this.#loggedMs = undefined;
      return;
    }
    const sinceMs = nowMs - (this.#loggedMs ?? -Infinity);
    if (sinceMs < REPEAT_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    this.#log("error", `Writes are refused: ${reason}`);
  }
}
