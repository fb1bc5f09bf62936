/**
 * Connections: reading requests, having them run, writing the answers.
 *
 * @module
 */

import type { KvsEngine } from "../engine/engine.ts";
import { AnswerBuffer } from "../protocol/answer_buffer.ts";
import { execute } from "../protocol/execute.ts";
import {
  RequestBuffer,
  type RequestLimits,
} from "../protocol/request_buffer.ts";

/** How long to wait before accepting goes on after a failure to, in ms. */
const ACCEPT_RETRY_MS = 50;

/** The connections of one listener, served on this thread. */
export class ConnectionSet {
  readonly #engine: KvsEngine;
  readonly #limits: RequestLimits;
  readonly #log: (level: "warn" | "error", message: string) => void;
  readonly #connections = new Map<Connection, Promise<void>>();
  #closing = false;

  /**
   * @param engine Runs the requests.
   * @param limits How large requests may be.
   * @param log Told of what goes wrong.
   */
  constructor(
    engine: KvsEngine,
    limits: RequestLimits,
    log: (level: "warn" | "error", message: string) => void,
  ) {
    this.#engine = engine;
    this.#limits = limits;
    this.#log = log;
  }

  /**
   * Serves whatever connects, until the listener is closed.
   *
   * @param listener The listener.
   */
  async acceptFrom(listener: Deno.TcpListener): Promise<void> {
    while (!this.#closing) {
      let stream: Deno.TcpConn;
      try {
        stream = await listener.accept();
      } catch (error) {
        if (this.#closing || error instanceof Deno.errors.BadResource) return;
        // Out of file descriptors, or the peer is gone already: neither is a
        // reason to stop listening.
        this.#log("warn", `Cannot accept a connection: ${error}`);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
        continue;
      }
      this.#serve(stream);
    }
  }

  /** Closes idle connections at once and busy ones after their batch. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const connection of this.#connections.keys()) connection.stop();
    await Promise.all(this.#connections.values());
  }

  #serve(stream: Deno.TcpConn): void {
    const connection = new Connection(stream, this.#engine, this.#limits);
    const served = connection.serve().catch((error) => {
      this.#log("error", `Connection failed: ${error}`);
    }).finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }
}

/** One connection. */
class Connection {
  readonly #stream: Deno.TcpConn;
  readonly #engine: KvsEngine;
  readonly #requests: RequestBuffer;
  readonly #answers = new AnswerBuffer();
  #isIdle = false;
  #isStopping = false;

  constructor(
    stream: Deno.TcpConn,
    engine: KvsEngine,
    limits: RequestLimits,
  ) {
    this.#stream = stream;
    this.#engine = engine;
    this.#requests = new RequestBuffer(limits);
  }

  /** Serves it to its end, which is no error however it comes. */
  async serve(): Promise<void> {
    try {
      // An answer must not wait for more to send: the client waits for it.
      this.#stream.setNoDelay(true);
      while (!this.#isStopping) {
        this.#isIdle = true;
        const count = await this.#stream.read(this.#requests.space());
        this.#isIdle = false;
        if (count === null) this.#requests.end();
        else this.#requests.commit(count);
        await this.#answer();
        if (count === null || this.#requests.isBroken) return;
      }
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    } finally {
      this.#close();
    }
  }

  /** Lets the batch that is running be the last. */
  stop(): void {
    this.#isStopping = true;
    // Ends the read, which has nothing: what had come would be read already.
    if (this.#isIdle) this.#close();
  }

  async #answer(): Promise<void> {
    const answers = this.#answers;
    for (;;) {
      const ran = execute(this.#engine, this.#requests, answers);
      const isMore = ran instanceof Promise ? await ran : ran;
      for (let left = answers.bytes(); left.length > 0;) {
        left = left.subarray(await this.#stream.write(left));
      }
      answers.clear();
      if (!isMore) return;
    }
  }

  #close(): void {
    try {
      this.#stream.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** Whether an error only says that the connection is gone. */
function isDisconnect(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.NotConnected;
}
