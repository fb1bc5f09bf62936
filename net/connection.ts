/**
 * One connection: reading requests, having them run, sending the answers.
 *
 * @module
 */

import type { MaybePromise } from "../engine/engine.ts";
import { type AnswerBuffer, errLine } from "../protocol/json/answer_buffer.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type { AnswerPool } from "./answer_pool.ts";
import type { Limiter, Phase } from "./limiter.ts";
import type { Transport, TransportUser } from "./transport.ts";
import { eventLoopTurn } from "./waiting.ts";

/** How long a client that still sends is read from after its last answer. */
const LINGER_MS = 500;
/** How many bytes of it are read then at most. */
const LINGER_BYTES = 1024 * 1024;

/** Handles the requests of one connection. */
export interface RequestHandler {
  /** Whether the client has shown the token, or needs none. */
  readonly isAdmitted: boolean;
  /**
   * Runs the requests that are whole, and leaves both buffers alone once it
   * returns or its promise resolves. Returns whether to call it again after
   * the answers have left.
   */
  run(requests: RequestBuffer, answers: AnswerBuffer): MaybePromise<boolean>;
  /** Called once, when the connection has ended; a batch may still run. */
  close(): void;
}

/** Options of {@linkcode Connection}. */
export interface ConnectionOptions {
  readonly transport: Transport;
  readonly handler: RequestHandler;
  readonly limiter: Limiter;
  readonly answerPool: AnswerPool;
  /** Called once it has ended; with an error that is not the client's. */
  readonly onEnd: (connection: Connection, error?: unknown) => void;
}

/** What a connection waits for. */
type Stage =
  /** The handshake. */
  | "opening"
  /** The client, to send something. */
  | "reading"
  /** The handler. */
  | "running"
  /** The client, to take its answers. */
  | "sending"
  /** The client, to take the message why the connection ends. */
  | "refusing"
  /** The client, to hang up. */
  | "lingering"
  /** Nothing more. */
  | "ended";

/** A connection with its buffers, on its way from one stage to the next. */
export class Connection implements TransportUser {
  readonly #transport: Transport;
  readonly #handler: RequestHandler;
  readonly #limiter: Limiter;
  readonly #answerPool: AnswerPool;
  readonly #onEnd: (connection: Connection, error?: unknown) => void;
  readonly #requests: RequestBuffer;
  /** Only while there are some: most connections have none most of the time. */
  #answers: AnswerBuffer | undefined;
  #stage: Stage = "opening";
  /** What it waits for the client to send, and since when. */
  #phase: Phase = "admission";
  #sinceMs: number;
  /** Since when it waits for the client to take something. */
  #unreadMs = 0;
  /** What the limiter has counted of its input, and of its answers. */
  #heldBytes = 0;
  #unreadBytes = 0;
  /** Whether there is more to run once the answers have left. */
  #isMore = false;
  #hasAnswered = false;
  #hasEnded = false;
  #isStopping = false;
  #waste: Uint8Array | undefined;
  #wastedBytes = 0;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions) {
    this.#transport = options.transport;
    this.#handler = options.handler;
    this.#limiter = options.limiter;
    this.#answerPool = options.answerPool;
    this.#onEnd = options.onEnd;
    this.#requests = new RequestBuffer(options.limiter.limits);
    this.#sinceMs = options.limiter.nowMs;
  }

  /** Begins to serve it. */
  start(): void {
    this.#attempt(() => this.#transport.open(this));
  }

  opened(): void {
    this.#phase = this.#nextPhase();
    this.#sinceMs = this.#limiter.nowMs;
    this.#attempt(this.#read);
  }

  received(count: number): void {
    if (this.#stage === "lingering") return this.#drain(count);
    // The client has been refused already.
    if (this.#stage !== "reading") return this.#end();
    this.#hasEnded = count === 0;
    if (this.#hasEnded) this.#requests.end();
    else this.#requests.commit(count);
    this.#hasAnswered = false;
    this.#attempt(this.#run);
  }

  sent(): void {
    if (this.#stage !== "sending") return this.#end();
    this.#limiter.hold(this.#unreadBytes, 0);
    this.#unreadBytes = 0;
    this.#attempt(this.#goOn);
  }

  failed(error: unknown): void {
    this.#end(isDisconnect(error) ? undefined : error);
  }

  /** Ends it if its client takes too long. */
  checkTimeouts(): void {
    switch (this.#stage) {
      case "sending":
        // A client that does not read would not read a message either.
        if (this.#limiter.isUnread(this.#unreadMs)) this.#end();
        return;
      case "refusing":
        // It has had a tick to take the message.
        return this.#end();
      case "opening":
        // No message can be sent yet. What stays open is to be counted.
        if (this.#transport.canAbort && this.#overdue() !== undefined) {
          this.#end();
        }
        return;
      case "reading": {
        const message = this.#overdue();
        if (message !== undefined) this.#refuse(message);
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
    const requests = this.#requests;
    const room = requests.space();
    if (requests.heldBytes !== this.#heldBytes) {
      const refusal = this.#hold(requests.heldBytes);
      if (refusal !== undefined) return this.#refuse(refusal);
    }
    this.#stage = "reading";
    this.#transport.read(room);
  }

  #run(): void {
    this.#stage = "running";
    const answers = this.#answers ??= this.#answerPool.take();
    const ran = this.#handler.run(this.#requests, answers);
    if (ran instanceof Promise) {
      ran.then(
        (isMore) => this.#attempt(() => this.#answer(answers, isMore)),
        (error) => this.#end(error),
      );
    } else this.#answer(answers, ran);
  }

  /**
   * Runs the rest after a turn of the event loop: while a client takes its
   * answers at once, no other connection would be served.
   */
  #runMore(): void {
    this.#stage = "running";
    eventLoopTurn().then(() => {
      if (this.#stage === "running") this.#attempt(this.#run);
    });
  }

  #answer(answers: AnswerBuffer, isMore: boolean): void {
    // It was closed meanwhile.
    if (this.#stage === "ended") return;
    this.#isMore = isMore;
    if (answers.length === 0) return this.#goOn();
    this.#hasAnswered = true;
    this.#unreadBytes = answers.length;
    const refusal = this.#limiter.hold(0, answers.length);
    // The requests have run, so an error in place of answers would be wrong.
    if (refusal !== undefined) throw new Error(refusal);
    this.#unreadMs = this.#limiter.nowMs;
    this.#stage = "sending";
    this.#transport.send(answers.bytes());
  }

  /** Goes on after the answers have left. */
  #goOn(): void {
    if (this.#answers !== undefined) this.#answerPool.give(this.#answers);
    this.#answers = undefined;
    if (this.#isMore) return this.#runMore();
    if (this.#hasEnded) return this.#end();
    if (this.#requests.isBroken || this.#isStopping) return this.#linger();
    const phase = this.#nextPhase();
    if (
      phase !== this.#phase || (this.#hasAnswered && phase !== "admission")
    ) {
      this.#phase = phase;
      this.#sinceMs = this.#limiter.nowMs;
    }
    this.#read();
  }

  /** Sends the message why the connection ends. */
  #refuse(message: string): void {
    this.#stage = "refusing";
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

  #nextPhase(): Phase {
    if (!this.#handler.isAdmitted) return "admission";
    return this.#requests.unusedBytes === 0 ? "idle" : "request";
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
    // Even if closing fails, it is no longer counted.
    try {
      this.#handler.close();
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
