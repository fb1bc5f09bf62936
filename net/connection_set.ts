/**
 * The connections of one listener.
 *
 * @module
 */

import type { Log } from "../monitor/log.ts";
import { errLine } from "../protocol/json/answer_buffer.ts";
import { Connection } from "./connection.ts";
import type { Limiter } from "./limiter.ts";
import type { Session } from "./session.ts";
import { resolvesWithin } from "./waiting.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** How long to wait before accepting goes on after a failure to, in ms. */
const ACCEPT_RETRY_MS = 50;

/** How long to tell a client that it is not served, in milliseconds. */
const REFUSAL_MS = 100;

/** How often to say that connections are not served, in milliseconds. */
const WARN_INTERVAL_MS = 60_000;

/** The connections of one listener, served on this thread. */
export class ConnectionSet {
  readonly #makeSession: () => Session;
  readonly #log: Log;
  readonly #limiter: Limiter;
  readonly #connections = new Set<Connection>();
  #isClosing = false;
  /** When each kind of warning was last given. */
  readonly #warnedMs = new Map<string, number>();
  /** Called once the last connection has ended. */
  #onEmpty: (() => void) | undefined;

  /**
   * @param makeSession Makes what runs a connection's requests.
   * @param log Told of what goes wrong.
   * @param limiter What connections may use up.
   */
  constructor(
    makeSession: () => Session,
    log: Log,
    limiter: Limiter,
  ) {
    this.#makeSession = makeSession;
    this.#log = log;
    this.#limiter = limiter;
  }

  /**
   * Serves whatever connects, until the listener is closed.
   *
   * @param listener The listener.
   */
  async acceptFrom(listener: TransportListener): Promise<void> {
    this.#limiter.start(() => {
      for (const connection of this.#connections) connection.look();
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
   * Closes idle connections at once and busy ones after their batch.
   *
   * @param graceMs After how many milliseconds to close those all the same
   * whose client does not read its answers, or that wait for a compaction.
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

  /** Resolves when another may be accepted. */
  #serve(transport: Transport): void | Promise<void> {
    const refusal = this.#limiter.admit();
    if (refusal !== undefined) {
      this.#warn("Refusing connections", refusal);
      // They are not counted, and take descriptors: so one at a time.
      return refuse(transport, refusal);
    }
    let session: Session;
    try {
      session = this.#makeSession();
    } catch (error) {
      this.#limiter.release();
      transport.close();
      throw error;
    }
    const connection = new Connection(
      transport,
      session,
      this.#limiter,
      this.#onEnd,
    );
    this.#connections.add(connection);
    connection.start();
  }

  /** Says what may be so for long, and not over and over. */
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

/**
 * Tells a client why it is not served, and hangs up.
 *
 * @param transport Its connection.
 * @param message The reason.
 * @returns Once it is closed.
 */
export async function refuse(
  transport: Transport,
  message: string,
): Promise<void> {
  try {
    // Telling it behind a handshake would take as much as serving it.
    if (!transport.hasHandshake) {
      const told = new Promise<void>((resolve) =>
        transport.open({
          opened: () => transport.send(errLine(message)),
          received: () => resolve(),
          sent: resolve,
          failed: () => resolve(),
        })
      );
      await resolvesWithin(told, REFUSAL_MS);
    }
  } catch {
    // It is gone already.
  }
  transport.close();
}
