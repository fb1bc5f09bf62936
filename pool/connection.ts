/**
 * Connections: reading requests, having them run, writing the answers.
 *
 * @module
 */

import type { ServerListener } from "./access.ts";
import type { Session } from "./session.ts";
import { resolvesWithin } from "./time_limit.ts";

/** How long to wait before accepting goes on after a failure to, in ms. */
const ACCEPT_RETRY_MS = 50;

/** How long a client that still sends is listened to in the end, in ms… */
const LINGER_MS = 500;
/** …and for how many bytes. */
const LINGER_BYTES = 1024 * 1024;

type Stream = Deno.TcpConn | Deno.TlsConn;

/** The connections of one listener, served on this thread. */
export class ConnectionSet {
  readonly #makeSession: () => Session;
  readonly #log: (level: "warn" | "error", message: string) => void;
  readonly #connections = new Map<Connection, Promise<void>>();
  #closing = false;

  /**
   * @param makeSession Makes what runs a connection's requests.
   * @param log Told of what goes wrong.
   */
  constructor(
    makeSession: () => Session,
    log: (level: "warn" | "error", message: string) => void,
  ) {
    this.#makeSession = makeSession;
    this.#log = log;
  }

  /**
   * Serves whatever connects, until the listener is closed.
   *
   * @param listener The listener.
   */
  async acceptFrom(listener: ServerListener): Promise<void> {
    while (!this.#closing) {
      let stream: Stream;
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

  /**
   * Closes idle connections at once and busy ones after their batch.
   *
   * @param graceMs After how many milliseconds to close those all the same
   * whose client does not read its answers, or that wait for a compaction.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const connection of this.#connections.keys()) connection.stop();
    const ended = Promise.all(this.#connections.values());
    if (await resolvesWithin(ended, graceMs)) return;
    for (const connection of this.#connections.keys()) connection.close();
  }

  #serve(stream: Stream): void {
    const connection = new Connection(stream, this.#makeSession());
    const served = connection.serve().catch((error) => {
      this.#log("error", `Connection failed: ${error}`);
    }).finally(() => this.#connections.delete(connection));
    this.#connections.set(connection, served);
  }
}

/** One connection. */
class Connection {
  readonly #stream: Stream;
  readonly #session: Session;
  #isIdle = false;
  #isStopping = false;

  constructor(stream: Stream, session: Session) {
    this.#stream = stream;
    this.#session = session;
  }

  /** Serves it to its end, which is no error however it comes. */
  async serve(): Promise<void> {
    try {
      // An answer must not wait for more to send: the client waits for it.
      if ("setNoDelay" in this.#stream) this.#stream.setNoDelay(true);
      while (!this.#isStopping) {
        this.#isIdle = true;
        const count = await this.#stream.read(this.#session.space());
        this.#isIdle = false;
        if (count === null) this.#session.end();
        else this.#session.commit(count);
        await this.#answer();
        if (count === null) return;
        if (this.#session.isBroken) break;
      }
      await this.#linger();
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    } finally {
      this.close();
    }
  }

  /** Lets the batch that is running be the last. */
  stop(): void {
    this.#isStopping = true;
    // Ends the read, which has nothing: what had come would be read already.
    if (this.#isIdle) this.close();
  }

  /** Ends it at once, whatever it is doing. */
  close(): void {
    try {
      this.#stream.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  /**
   * Ends the answers, and waits a while for the client to end as well. To
   * close a connection on which something unread arrives is to reset it, and
   * a reset discards the answers that the client has not read yet.
   */
  async #linger(): Promise<void> {
    const timer = setTimeout(() => this.close(), LINGER_MS);
    try {
      await this.#stream.closeWrite();
      const waste = new Uint8Array(16 * 1024);
      for (let left = LINGER_BYTES; left > 0;) {
        const count = await this.#stream.read(waste);
        if (count === null) return;
        left -= count;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #answer(): Promise<void> {
    const session = this.#session;
    for (;;) {
      const ran = session.run();
      const isMore = ran instanceof Promise ? await ran : ran;
      for (let left = session.answers(); left.length > 0;) {
        left = left.subarray(await this.#stream.write(left));
      }
      if (!isMore) return;
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
    // Of TLS: the other end does not speak it, or trusts no certificate here.
    error instanceof Deno.errors.InvalidData ||
    error instanceof Deno.errors.NotConnected;
}
