/**
 * One connection: reading requests, having them run, sending the answers.
 *
 * @module
 */

import { errLine } from "../protocol/json/answer_buffer.ts";
import type { Limiter } from "./limiter.ts";
import type { Session, SessionPhase } from "./session.ts";
import type { Transport, TransportUser } from "./transport.ts";
import { turn } from "./turn.ts";

/** How long a client that still sends is listened to in the end, in ms… */
const LINGER_MS = 500;
/** …and for how many bytes. */
const LINGER_BYTES = 1024 * 1024;

/** What a connection waits for. */
type Stage =
  /** The handshake. */
  | "opening"
  /** The client, to send something. */
  | "reading"
  /** The session. */
  | "running"
  /** The client, to take its answers. */
  | "sending"
  /** The client, to take the message that nothing more is done for it. */
  | "telling"
  /** The client, to hang up. */
  | "lingering"
  /** Nothing more. */
  | "ended";

/** A connection on its way from one stage to the next. */
export class Connection implements TransportUser {
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #limiter: Limiter;
  readonly #onEnd: (connection: Connection, error?: unknown) => void;
  #stage: Stage = "opening";
  /** What it waits for the client to send, and since when. */
  #phase: SessionPhase = "admission";
  #sinceMs: number;
  /** Since when it waits for the client to take something. */
  #unreadMs = 0;
  /** What the limiter has counted of its input, and of its answers. */
  #heldBytes = 0;
  #unreadBytes = 0;
  /** Whether the session has more to run once the answers have left. */
  #isMore = false;
  #hasAnswered = false;
  #hasEnded = false;
  #isStopping = false;
  #waste: Uint8Array | undefined;
  #wastedBytes = 0;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param transport What it is served on.
   * @param session Runs its requests.
   * @param limiter What it may use up.
   * @param onEnd Called once it has ended; with an error, if that is not the
   * client's doing.
   */
  constructor(
    transport: Transport,
    session: Session,
    limiter: Limiter,
    onEnd: (connection: Connection, error?: unknown) => void,
  ) {
    this.#transport = transport;
    this.#session = session;
    this.#limiter = limiter;
    this.#onEnd = onEnd;
    this.#sinceMs = limiter.nowMs;
  }

  /** Begins to serve it. */
  start(): void {
    this.#attempt(() => this.#transport.open(this));
  }

  /** @inheritdoc */
  opened(): void {
    this.#phase = this.#session.phase;
    this.#sinceMs = this.#limiter.nowMs;
    this.#attempt(this.#read);
  }

  /** @inheritdoc */
  received(count: number): void {
    if (this.#stage === "lingering") return this.#drain(count);
    // The client was told already that nothing more is done for it.
    if (this.#stage !== "reading") return this.#end();
    this.#hasEnded = count === 0;
    if (this.#hasEnded) this.#session.end();
    else this.#session.commit(count);
    this.#hasAnswered = false;
    this.#attempt(this.#run);
  }

  /** @inheritdoc */
  sent(): void {
    if (this.#stage !== "sending") return this.#end();
    this.#limiter.hold(this.#unreadBytes, 0);
    this.#unreadBytes = 0;
    this.#attempt(this.#goOn);
  }

  /** @inheritdoc */
  failed(error: unknown): void {
    this.#end(isDisconnect(error) ? undefined : error);
  }

  /** Ends it if its client takes too long. */
  look(): void {
    switch (this.#stage) {
      case "sending":
        // There is no telling a client that does not read.
        if (this.#limiter.isUnread(this.#unreadMs)) this.#end();
        return;
      case "telling":
        // It has had a tick to take the message.
        return this.#end();
      case "opening":
        // There is no telling it yet. What stays open is to be counted.
        if (this.#transport.canAbort && this.#overdue() !== undefined) {
          this.#end();
        }
        return;
      case "reading": {
        const message = this.#overdue();
        if (message !== undefined) this.#tell(message);
      }
    }
  }

  /** Lets the batch that is running be the last. */
  stop(): void {
    this.#isStopping = true;
    // What had come would be read already.
    if (this.#stage === "reading" || this.#stage === "opening") this.#end();
  }

  /** Ends it at once, whatever it is doing. */
  close(): void {
    this.#end();
  }

  #read(): void {
    const session = this.#session;
    const room = session.space();
    if (session.heldBytes !== this.#heldBytes) {
      const refusal = this.#hold(session.heldBytes);
      if (refusal !== undefined) return this.#tell(refusal);
    }
    this.#stage = "reading";
    this.#transport.read(room);
  }

  #run(): void {
    this.#stage = "running";
    const ran = this.#session.run();
    if (ran instanceof Promise) {
      ran.then(
        (isMore) => this.#attempt(() => this.#answer(isMore)),
        (error) => this.#end(error),
      );
    } else this.#answer(ran);
  }

  /**
   * Goes on once others had their turn: as long as a client takes its answers
   * at once, nothing else would come between.
   */
  #runMore(): void {
    this.#stage = "running";
    turn().then(() => {
      if (this.#stage === "running") this.#attempt(this.#run);
    });
  }

  #answer(isMore: boolean): void {
    // It was cut short.
    if (this.#stage === "ended") return;
    this.#isMore = isMore;
    const answers = this.#session.answers();
    if (answers.length === 0) return this.#goOn();
    this.#hasAnswered = true;
    this.#unreadBytes = answers.length;
    const refusal = this.#limiter.hold(0, answers.length);
    // They are done, so it would be wrong to answer with an error.
    if (refusal !== undefined) throw new Error(refusal);
    this.#unreadMs = this.#limiter.nowMs;
    this.#stage = "sending";
    this.#transport.send(answers);
  }

  #goOn(): void {
    const session = this.#session;
    session.forgetAnswers();
    if (this.#isMore) return this.#runMore();
    if (this.#hasEnded) return this.#end();
    if (session.isBroken || this.#isStopping) return this.#linger();
    const { phase } = session;
    if (
      phase !== this.#phase || (this.#hasAnswered && phase !== "admission")
    ) {
      this.#phase = phase;
      this.#sinceMs = this.#limiter.nowMs;
    }
    this.#read();
  }

  /** Sends a last message. */
  #tell(message: string): void {
    this.#stage = "telling";
    this.#transport.send(errLine(message));
  }

  /**
   * Ends the answers, and waits a while for the client to end as well. To
   * close a connection on which something unread arrives is to reset it, and
   * a reset discards the answers that the client has not read yet.
   */
  #linger(): void {
    this.#stage = "lingering";
    this.#lingerTimer = setTimeout(() => this.#end(), LINGER_MS);
    this.#transport.endSending();
    this.#waste = new Uint8Array(16 * 1024);
    this.#transport.read(this.#waste);
  }

  #drain(count: number): void {
    this.#wastedBytes += count;
    const isOver = count === 0 || this.#wastedBytes >= LINGER_BYTES;
    if (isOver || this.#waste === undefined) this.#end();
    else this.#transport.read(this.#waste);
  }

  #overdue(): string | undefined {
    return this.#limiter.overdue(this.#phase, this.#sinceMs);
  }

  #hold(bytes: number): string | undefined {
    const refusal = this.#limiter.hold(this.#heldBytes, bytes);
    this.#heldBytes = bytes;
    return refusal;
  }

  /** Goes on, and ends the connection should that fail. */
  #attempt(step: () => void): void {
    try {
      step.call(this);
    } catch (error) {
      this.failed(error);
    }
  }

  #end(error?: unknown): void {
    if (this.#stage === "ended") return;
    this.#stage = "ended";
    clearTimeout(this.#lingerTimer);
    this.#limiter.hold(this.#unreadBytes, 0);
    this.#hold(0);
    // Whatever fails, it is counted no more.
    try {
      this.#session.close();
    } catch (failure) {
      error ??= failure;
    }
    try {
      this.#transport.close();
    } catch (failure) {
      error ??= failure;
    }
    this.#onEnd(this, error);
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
