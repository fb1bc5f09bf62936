/**
 * Holding connections to their limits.
 *
 * @module
 */

import type { Counters } from "../monitor/counters.ts";
import type { AllLimits } from "./limits.ts";
import type { Gauges } from "../monitor/gauges.ts";

/** What a client is expected to send next. */
export type Phase =
  /** A request. */
  | "idle"
  /** The rest of one. */
  | "request"
  /** The token. */
  | "admission";

/** What a connection may hold uncounted, as a busy one does. */
const FREE_BYTES = 256 * 1024;

/** How often connections are checked within the shortest timeout. */
const TICKS_PER_TIMEOUT = 4;
/** The bounds of the time between two checks, in milliseconds. */
const MIN_TICK_MS = 10;
const MAX_TICK_MS = 1_000;

/**
 * Holds the connections of one Worker to their limits. Time goes in ticks: one
 * timer for all connections, and none of them reads a clock. A Worker that is
 * busy for long ticks late, and does not blame clients for what it has not read
 * yet.
 */
export class Limiter {
  readonly limits: AllLimits;
  #nowMs = 0;
  readonly #gauges: Gauges;
  readonly #counters: Counters;
  readonly #tickMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(limits: AllLimits, gauges: Gauges, counters: Counters) {
    this.limits = limits;
    this.#gauges = gauges;
    this.#counters = counters;
    const { idleTimeoutMs, requestTimeoutMs, unreadTimeoutMs } = limits;
    const shortestMs = Math.min(
      ...[idleTimeoutMs, requestTimeoutMs, unreadTimeoutMs]
        .filter((timeoutMs) => timeoutMs > 0),
    );
    this.#tickMs = Math.min(
      Math.max(MIN_TICK_MS, shortestMs / TICKS_PER_TIMEOUT),
      MAX_TICK_MS,
    );
  }

  /** The time of the last tick, in milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Calls back at each tick, until it is stopped. */
  start(onTick: () => void): void {
    this.#timer ??= setInterval(() => {
      this.#nowMs += this.#tickMs;
      onTick();
    }, this.#tickMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Counts a new connection; returns why, if there may be no more. */
  admit(): string | undefined {
    const { maxConnections } = this.limits;
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
   * Counts what a connection holds instead of what it held. Returns an error
   * for the client if all connections hold too much now; it is counted even so.
   */
  hold(fromBytes: number, toBytes: number): string | undefined {
    const moreBytes = countedBytes(toBytes) - countedBytes(fromBytes);
    if (moreBytes === 0) return undefined;
    const { maxBufferBytes } = this.limits;
    const sumBytes = this.#gauges.addBufferBytes(moreBytes);
    return moreBytes > 0 && sumBytes > maxBufferBytes
      ? `Too much under way, the limit is ${maxBufferBytes} bytes for all connections (--max-buffer-size)`
      : undefined;
  }

  /** The error for a client that was to send something since a tick. */
  overdue(phase: Phase, sinceMs: number): string | undefined {
    const { idleTimeoutMs, requestTimeoutMs } = this.limits;
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

  /** Whether a client has left its answers unread for too long. */
  isUnread(sinceMs: number): boolean {
    return this.#isOver(this.limits.unreadTimeoutMs, sinceMs);
  }

  #isOver(timeoutMs: number, sinceMs: number): boolean {
    // What began after a tick has the tick's time: never end it too early.
    return timeoutMs > 0 && this.nowMs - sinceMs >= timeoutMs + this.#tickMs;
  }
}

function countedBytes(bytes: number): number {
  return Math.ceil(Math.max(0, bytes - FREE_BYTES) / 1024) * 1024;
}
