/**
 * What clients asked of a server, what it answered, and when.
 *
 * @module
 */

import type { Action, Operation } from "../linearizability/_history.ts";

/** A request for a key. */
export interface Request {
  readonly key: string;
  /** What is asked; of an answer there is nothing in it. */
  readonly action: Action;
}

/** Keeps the history of all clients, by one clock. */
export class Recorder {
  readonly #history: Operation[] = [];
  #lost: Omit<Operation, "returnedMs">[] = [];
  #sessions = 0;

  /** All requests whose fate is settled. */
  get history(): readonly Operation[] {
    return this.#history;
  }

  /** A number for a connection. */
  newSession(): number {
    return ++this.#sessions;
  }

  /**
   * Sends a request, and waits for its answer.
   *
   * @param request The request.
   * @param session The connection.
   * @param send Sends it, not before it is called.
   * @throws {Error} What sending throws; the request is lost then.
   */
  async record(
    { key, action }: Request,
    session: number,
    send: () => Promise<Action>,
  ): Promise<void> {
    const invokedMs = performance.now();
    try {
      const answered = await send();
      const returnedMs = performance.now();
      this.#history.push({
        key,
        action: answered,
        session,
        invokedMs,
        returnedMs,
        answered: true,
      });
    } catch (error) {
      this.#lost.push({ key, action, session, invokedMs, answered: false });
      throw error;
    }
  }

  /**
   * Says that the server is gone. What it has not answered it has done by now,
   * or nobody does it any more.
   */
  endServer(): void {
    const returnedMs = performance.now();
    for (const lost of this.#lost) this.#history.push({ ...lost, returnedMs });
    this.#lost = [];
  }
}
