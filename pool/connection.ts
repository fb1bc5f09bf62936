/**
 * Connections: reading requests, having them run, writing the answers.
 *
 * @module
 */

import type { Log } from "../monitor/log.ts";
import { AnswerBuffer } from "../protocol/answer_buffer.ts";
import type { ServerListener } from "./access.ts";
import type { Limiter } from "./limiter.ts";
import type { Session, SessionPhase } from "./session.ts";
import { resolvesWithin } from "./time_limit.ts";
import { TlsSockets } from "./tls_sockets.ts";

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
  readonly #log: Log;
  readonly #limiter: Limiter;
  readonly #connections = new Map<Connection, Promise<void>>();
  readonly #sockets = new TlsSockets();
  #closing = false;

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
    this.#limiter = limiter;
    this.#makeSession = makeSession;
    this.#log = log;
  }

  /**
   * Serves whatever connects, until the listener is closed.
   *
   * @param listener The listener.
   */
  async acceptFrom(listener: ServerListener): Promise<void> {
    this.#limiter.start(() => {
      for (const connection of this.#connections.keys()) connection.look();
      this.#sockets.sweep(this.#limiter.nowMs);
    });
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
    if (!await resolvesWithin(ended, graceMs)) {
      for (const connection of this.#connections.keys()) connection.close();
    }
    this.#limiter.stop();
    this.#sockets.close();
  }

  #serve(stream: Stream): void {
    const limiter = this.#limiter;
    if (isTls(stream)) this.#sockets.opened(stream);
    const refusal = limiter.admit((message) => this.#log("warn", message));
    if (refusal !== undefined) return this.#refuse(stream, refusal);
    const connection = new Connection(
      stream,
      this.#makeSession(),
      limiter,
      this.#sockets,
    );
    const served = connection.serve().catch((error) => {
      this.#log("error", `Connection failed: ${error}`);
    }).finally(() => {
      limiter.release();
      this.#connections.delete(connection);
    });
    this.#connections.set(connection, served);
  }

  /** Tells a client that is one too many, and hangs up. */
  #refuse(stream: Stream, message: string): void {
    if (isTls(stream)) {
      // Telling it would take a handshake, and so as much as serving it.
      stream.close();
      this.#sockets.closed(stream, this.#limiter.nowMs);
    } else {
      stream.write(errLine(message)).catch(() => {}).finally(() =>
        stream.close()
      );
    }
  }
}

/** One connection. */
class Connection {
  readonly #stream: Stream;
  readonly #session: Session;
  readonly #limiter: Limiter;
  readonly #sockets: TlsSockets;
  /** Whether it waits for the client to send something… */
  #isReading = false;
  /** …and what, and since when. */
  #phase: SessionPhase;
  #sinceMs: number;
  /** Since when it waits for the client to read something, if it does. */
  #unreadMs: number | undefined;
  /** What the limiter has counted of its input, and of its answers. */
  #heldBytes = 0;
  #unreadBytes = 0;
  #isOverdue = false;
  #isShakingHands = false;
  #isStopping = false;

  constructor(
    stream: Stream,
    session: Session,
    limiter: Limiter,
    sockets: TlsSockets,
  ) {
    this.#stream = stream;
    this.#session = session;
    this.#limiter = limiter;
    this.#sockets = sockets;
    this.#phase = session.phase;
    this.#sinceMs = limiter.nowMs;
  }

  /** Serves it to its end, which is no error however it comes. */
  async serve(): Promise<void> {
    try {
      // An answer must not wait for more to send: the client waits for it.
      if (isTls(this.#stream)) await this.#shakeHands(this.#stream);
      else this.#stream.setNoDelay(true);
      const session = this.#session;
      while (!this.#isStopping) {
        const space = session.space();
        if (session.heldBytes !== this.#heldBytes) {
          const refusal = this.#hold(session.heldBytes);
          if (refusal !== undefined) {
            this.#unreadMs = this.#limiter.nowMs;
            return await this.#tell(refusal);
          }
        }
        this.#isReading = true;
        const count = await this.#stream.read(space);
        this.#isReading = false;
        // The client was told already that nothing more is done for it.
        if (this.#isOverdue) return;
        if (count === null) session.end();
        else session.commit(count);
        const hasAnswered = await this.#answer();
        if (count === null) return;
        if (session.isBroken) break;
        const { phase } = session;
        if (phase !== this.#phase || (hasAnswered && phase !== "admission")) {
          this.#phase = phase;
          this.#sinceMs = this.#limiter.nowMs;
        }
      }
      await this.#linger();
    } catch (error) {
      if (!isDisconnect(error)) throw error;
    } finally {
      this.#limiter.hold(this.#unreadBytes, 0);
      this.#hold(0);
      this.close();
    }
  }

  /** Ends it if its client takes too long. */
  look(): void {
    if (this.#unreadMs !== undefined) {
      // There is no telling a client that does not read.
      if (this.#limiter.isUnread(this.#unreadMs)) this.close();
      return;
    }
    if (!this.#isReading) return;
    // It has had a tick to take the message.
    if (this.#isOverdue) return this.close();
    const phase = this.#isShakingHands ? "admission" : this.#phase;
    const message = this.#limiter.overdue(phase, this.#sinceMs);
    if (message === undefined) return;
    if (this.#isShakingHands) {
      // There is no telling it yet. A socket that stays open is to be counted.
      if (this.#sockets.isAble) this.close();
      return;
    }
    this.#isOverdue = true;
    this.#tell(message).catch(() => {}).finally(() => this.close());
  }

  /** Agrees on TLS. */
  async #shakeHands(stream: Deno.TlsConn): Promise<void> {
    this.#isReading = this.#isShakingHands = true;
    await stream.handshake();
    this.#isReading = this.#isShakingHands = false;
    this.#sinceMs = this.#limiter.nowMs;
  }

  /** Lets the batch that is running be the last. */
  stop(): void {
    this.#isStopping = true;
    // Ends the read, which has nothing: what had come would be read already.
    if (this.#isReading) this.close();
  }

  /** Ends it at once, whatever it is doing. */
  close(): void {
    const stream = this.#stream;
    try {
      stream.close();
    } catch (error) {
      // It is closed already.
      if (error instanceof Deno.errors.BadResource) return;
      throw error;
    }
    if (isTls(stream)) this.#sockets.closed(stream, this.#limiter.nowMs);
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

  /** Runs what there is, and returns whether any of it was a request. */
  async #answer(): Promise<boolean> {
    const session = this.#session;
    for (let hasAnswered = false;;) {
      const ran = session.run();
      const isMore = ran instanceof Promise ? await ran : ran;
      const answers = session.answers();
      if (answers.length > 0) {
        hasAnswered = true;
        this.#unreadBytes = answers.length;
        const refusal = this.#limiter.hold(0, answers.length);
        // They are done, so it would be wrong to answer with an error.
        if (refusal !== undefined) throw new Error(refusal);
        this.#unreadMs = this.#limiter.nowMs;
        for (let left = answers; left.length > 0;) {
          left = left.subarray(await this.#stream.write(left));
        }
        this.#unreadMs = undefined;
        this.#limiter.hold(answers.length, 0);
        this.#unreadBytes = 0;
      }
      session.forgetAnswers();
      if (!isMore) return hasAnswered;
    }
  }

  #hold(bytes: number): string | undefined {
    const refusal = this.#limiter.hold(this.#heldBytes, bytes);
    this.#heldBytes = bytes;
    return refusal;
  }

  async #tell(message: string): Promise<void> {
    for (let left = errLine(message); left.length > 0;) {
      left = left.subarray(await this.#stream.write(left));
    }
  }
}

function isTls(stream: Stream): stream is Deno.TlsConn {
  return "handshake" in stream;
}

function errLine(message: string): Uint8Array {
  const answers = new AnswerBuffer();
  answers.err(message);
  return answers.bytes();
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
