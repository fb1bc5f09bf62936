/**
 * Holding connections to their limits.
 *
 * @module
 */

import type { Counters } from "../monitor/counters.ts";
import type { AllLimits } from "./limits.ts";
import type { SessionPhase } from "./session.ts";
import type { Gauges } from "../monitor/gauges.ts";

/** What a connection may hold without its being counted: what a busy one does. */
const FREE_BYTES = 256 * 1024;

/** How often to look at the connections: four times in the shortest timeout… */
const LOOKS_PER_TIMEOUT = 4;
/** …but not more or less often than this, in milliseconds. */
const MIN_TICK_MS = 10;
const MAX_TICK_MS = 1_000;

/**
 * Says when connections of one Worker have used up what they may. Time goes in
 * ticks: one timer for all connections, and none of them looks at a clock. A
 * Worker that is busy for long ticks late, and does not blame clients for what
 * it has not read yet.
 */
export class Limiter {
  /** The time that all ticks so far took at least, in milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }
  #nowMs = 0;
  readonly #limits: AllLimits;
  readonly #gauges: Gauges;
  readonly #counters: Counters;
  readonly #tickMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param limits The limits.
   * @param gauges What is used up.
   * @param counters Counts connections that come.
   */
  constructor(limits: AllLimits, gauges: Gauges, counters: Counters) {
    this.#limits = limits;
    this.#gauges = gauges;
    this.#counters = counters;
    const { idleTimeoutMs, requestTimeoutMs, unreadTimeoutMs } = limits;
    const shortestMs = Math.min(
      ...[idleTimeoutMs, requestTimeoutMs, unreadTimeoutMs]
        .filter((timeoutMs) => timeoutMs > 0),
    );
    this.#tickMs = Math.min(
      Math.max(MIN_TICK_MS, shortestMs / LOOKS_PER_TIMEOUT),
      MAX_TICK_MS,
    );
  }

  /**
   * Begins to tick.
   *
   * @param look Called at each tick, to look at the connections.
   */
  start(look: () => void): void {
    this.#timer ??= setInterval(() => {
      this.#nowMs += this.#tickMs;
      look();
    }, this.#tickMs);
  }

  /** Ends the ticks. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Counts a new connection, if there may be one more.
   *
   * @returns What to tell the client if not.
   */
  admit(): string | undefined {
    const { maxConnections } = this.#limits;
    if (this.#gauges.addConnections(1) <= maxConnections) {
      this.#counters.add("connections");
      return undefined;
    }
    this.#counters.add("refused");
    this.release();
    return `Too many connections, the limit is ${maxConnections} (--max-connections)`;
  }

  /** Counts a connection that has gone. */
  release(): void {
    this.#gauges.addConnections(-1);
  }

  /**
   * Counts the memory of a connection.
   *
   * @param fromBytes What was counted before.
   * @param toBytes What it holds now.
   * @returns What to tell the client if all connections together hold too
   * much by that; it is counted even so.
   */
  hold(fromBytes: number, toBytes: number): string | undefined {
    const moreBytes = countedBytes(toBytes) - countedBytes(fromBytes);
    if (moreBytes === 0) return undefined;
    const { maxBufferBytes } = this.#limits;
    const sumBytes = this.#gauges.addBufferBytes(moreBytes);
    return moreBytes > 0 && sumBytes > maxBufferBytes
      ? `Too much under way, the limit is ${maxBufferBytes} bytes for all connections (--max-buffer-size)`
      : undefined;
  }

  /**
   * Says whether a client has taken too long to send something.
   *
   * @param phase What it is to send.
   * @param sinceMs Since which {@linkcode nowMs}.
   * @returns What to tell it if so.
   */
  overdue(phase: SessionPhase, sinceMs: number): string | undefined {
    const { idleTimeoutMs, requestTimeoutMs } = this.#limits;
    const timeoutMs = phase === "idle" ? idleTimeoutMs : requestTimeoutMs;
    if (!this.#isOver(timeoutMs, sinceMs)) return undefined;
    switch (phase) {
      case "idle":
        return `No request for ${timeoutMs} ms (--idle-timeout)`;
      case "request":
        return `Request not finished within ${timeoutMs} ms (--request-timeout)`;
      case "admission":
        return `Not authenticated within ${timeoutMs} ms (--request-timeout)`;
    }
  }

  /**
   * Says whether a client has left its answers unread for too long.
   *
   * @param sinceMs Since which {@linkcode nowMs}.
   */
  isUnread(sinceMs: number): boolean {
    return this.#isOver(this.#limits.unreadTimeoutMs, sinceMs);
  }

  #isOver(timeoutMs: number, sinceMs: number): boolean {
    // What began behind a tick has the tick's time: never end it too early.
    return timeoutMs > 0 && this.nowMs - sinceMs >= timeoutMs + this.#tickMs;
  }
}

function countedBytes(bytes: number): number {
  return Math.ceil(Math.max(0, bytes - FREE_BYTES) / 1024) * 1024;
}
