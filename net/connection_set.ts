/**
 * The connections of one listener.
 *
 * @module
 */

import type { Log } from "../monitor/log.ts";
import { errLine } from "../protocol/json/answer_buffer.ts";
import { AnswerPool } from "./answer_pool.ts";
import { Connection, type RequestHandler } from "./connection.ts";
import type { Limiter } from "./limiter.ts";
import { resolvesWithin } from "./waiting.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** How long to pause after a connection could not be accepted, in ms. */
const ACCEPT_RETRY_MS = 50;

/** How long a client has to take its refusal, in milliseconds. */
const REFUSAL_MS = 100;

/** How often a warning is repeated, in milliseconds. */
const WARN_INTERVAL_MS = 60_000;

/** The connections of one listener, served on this thread. */
export class ConnectionSet {
  readonly #makeHandler: () => RequestHandler;
  readonly #log: Log;
  readonly #limiter: Limiter;
  readonly #answerPool: AnswerPool;
  readonly #connections = new Set<Connection>();
  #isClosing = false;
  /** When each kind of warning was last given. */
  readonly #warnedMs = new Map<string, number>();
  /** Called once the last connection has ended. */
  #onEmpty: (() => void) | undefined;

  constructor(makeHandler: () => RequestHandler, log: Log, limiter: Limiter) {
    this.#makeHandler = makeHandler;
    this.#log = log;
    this.#limiter = limiter;
    this.#answerPool = new AnswerPool(limiter.limits.maxUnreadBytes);
  }

  /** Serves the clients that connect, until the listener is closed. */
  async acceptFrom(listener: TransportListener): Promise<void> {
    this.#limiter.start(() => {
      for (const connection of this.#connections) connection.checkTimeouts();
      listener.tick(this.#limiter.nowMs);
    });
    while (!this.#isClosing) {
      try {
        await this.#serve(await listener.accept());
      } catch (error) {
        if (this.#isClosing || error instanceof Deno.errors.BadResource) return;
        // Out of file descriptors, or the peer is gone already: neither is a
        // reason to stop listening.
        this.#warn("Cannot accept connections", `${error}`);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  /**
   * Closes idle connections at once and busy ones after their batch, or after
   * `graceMs`: a client may not read its answers, or wait for a compaction.
   */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#connections) connection.stop();
    const ended = new Promise<void>((resolve) => this.#onEmpty = resolve);
    if (this.#connections.size === 0) this.#onEmpty?.();
    if (!await resolvesWithin(ended, graceMs)) {
      for (const connection of this.#connections) connection.close();
    }
    this.#limiter.stop();
  }

  /** Serves a connection; a promise resolves when another may be accepted. */
  #serve(transport: Transport): void | Promise<void> {
    const refusal = this.#limiter.admit();
    if (refusal !== undefined) {
      this.#warn("Refusing connections", refusal);
      // One at a time, since they take descriptors and are not counted.
      return refuse(transport, refusal);
    }
    let handler: RequestHandler;
    try {
      handler = this.#makeHandler();
    } catch (error) {
      this.#limiter.release();
      transport.close();
      throw error;
    }
    const connection = new Connection({
      transport,
      handler,
      limiter: this.#limiter,
      answerPool: this.#answerPool,
      onEnd: this.#onEnd,
    });
    this.#connections.add(connection);
    connection.start();
  }

  /** Logs what may last, once in a while. */
  #warn(what: string, reason: string): void {
    const { nowMs } = this.#limiter;
    const sinceMs = nowMs - (this.#warnedMs.get(what) ?? -Infinity);
    if (sinceMs < WARN_INTERVAL_MS) return;
    this.#warnedMs.set(what, nowMs);
    this.#log("warn", `${what}: ${reason}`);
  }

  readonly #onEnd = (connection: Connection, error?: unknown) => {
    if (error !== undefined) {
      this.#log("error", `Connection failed: ${error}`);
    }
    this.#limiter.release();
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  };
}

/** Sends a client the reason why it is not served, and closes. */
export async function refuse(
  transport: Transport,
  message: string,
): Promise<void> {
  try {
    // A handshake for it would take as much as serving it.
    if (!transport.hasHandshake) {
      const sent = new Promise<void>((resolve) =>
        transport.open({
          opened: () => transport.send(errLine(message)),
          received: () => resolve(),
          sent: resolve,
          failed: () => resolve(),
        })
      );
      await resolvesWithin(sent, REFUSAL_MS);
    }
  } catch {
    // It is gone already.
  }
  transport.close();
}
