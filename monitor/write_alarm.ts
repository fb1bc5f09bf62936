/**
 * Saying that a store refuses writes, for as long as it does.
 *
 * @module
 */

import type { MaybePromise, StoreStats } from "../engine/engine.ts";
import type { Log } from "./log.ts";

/** How often to look, in milliseconds. */
const LOOK_INTERVAL_MS = 10_000;
/** How often to say it again, in milliseconds. */
const REPEAT_INTERVAL_MS = 60_000;

/** Logs that writes are refused: at once, and again every minute. */
export class WriteAlarm {
  readonly #stats: () => MaybePromise<StoreStats>;
  readonly #log: Log;
  #timer: ReturnType<typeof setInterval> | undefined;
  #loggedMs: number | undefined;

  /**
   * @param stats Tells what the store is like.
   * @param log Told of it.
   */
  constructor(stats: () => MaybePromise<StoreStats>, log: Log) {
    this.#stats = stats;
    this.#log = log;
  }

  /** Looks, now and from now on. */
  start(): void {
    const look = () => this.look(performance.now());
    look();
    this.#timer ??= setInterval(look, LOOK_INTERVAL_MS);
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Looks once.
   *
   * @param nowMs The time, by any clock, in milliseconds.
   */
  async look(nowMs: number): Promise<void> {
    let reason: string | undefined;
    try {
      reason = (await this.#stats()).writesRefused;
    } catch {
      // Whoever asks for them is told.
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
