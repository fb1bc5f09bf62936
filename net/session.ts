/**
 * What a connection does with the bytes it has read.
 *
 * @module
 */

import type { KvsEngine, MaybePromise } from "../engine/engine.ts";
import type { Monitor } from "../monitor/monitor.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { execute } from "./execute.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type { ServerLimits } from "./limits.ts";
import type { ConnectionSnapshot } from "./snapshots.ts";
import { AnswerPool } from "./answer_pool.ts";

const NO_BYTES = new Uint8Array(0);

/** What a session waits for, once it has run what it has. */
export type SessionPhase =
  /** A request. */
  | "idle"
  /** The rest of one. */
  | "request"
  /** The token. */
  | "admission";

/** The requests of one connection, and how they are run. */
export interface Session {
  /** Room to read into, never empty. */
  space(): Uint8Array;
  /** Takes what was read into that room. */
  commit(countBytes: number): void;
  /** Says that no more will come. */
  end(): void;
  /** Whether the connection is to be closed once all answers have left. */
  readonly isBroken: boolean;
  /** What it waits for. */
  readonly phase: SessionPhase;
  /** How much memory its input takes, in bytes. */
  readonly heldBytes: number;
  /**
   * Runs the requests that are whole.
   *
   * @returns Whether to call again once the {@linkcode answers} have left.
   */
  run(): MaybePromise<boolean>;
  /** Takes the answers, which are valid until the next call of anything. */
  answers(): Uint8Array;
  /** Says that the answers have left, and lets go of the memory they took. */
  forgetAnswers(): void;
  /**
   * Says that the connection has ended, once: lets go of what is held for it.
   * What is still running may go on; its answers go nowhere.
   */
  close(): void;
}

/**
 * Makes a session for a connection, which may have begun elsewhere: with a
 * line that was a JSON object.
 */
export type MakeSession = (hasBegun: boolean) => Session;

/** A session whose requests run on this thread. */
export class LocalSession implements Session {
  readonly #engine: KvsEngine;
  readonly #writer: Pick<KvsEngine, "write">;
  readonly #monitor: Monitor;
  readonly #requests: RequestBuffer;
  readonly #spare: AnswerPool;
  readonly #snapshot: ConnectionSnapshot | undefined;
  /** Only while there are answers: most sessions have none most of the time. */
  #answers: AnswerBuffer | undefined;

  /**
   * @param engine Runs the requests.
   * @param limits How large they may be.
   * @param monitor Watches them.
   * @param spare Lends what is needed to answer, best to all sessions of this
   * thread.
   * @param writer Takes the writes, for instance to join them with others'.
   * @param snapshot The snapshot of the connection; without it there is none.
   * @param hasBegun Whether the connection has begun elsewhere.
   */
  constructor(
    engine: KvsEngine,
    limits: ServerLimits,
    monitor: Monitor,
    spare = new AnswerPool(limits.maxUnreadBytes),
    writer: Pick<KvsEngine, "write"> = engine,
    snapshot?: ConnectionSnapshot,
    hasBegun = false,
  ) {
    this.#engine = engine;
    this.#writer = writer;
    this.#monitor = monitor;
    this.#requests = new RequestBuffer(limits);
    if (hasBegun) this.#requests.resume();
    this.#spare = spare;
    this.#snapshot = snapshot;
  }

  /** @inheritdoc */
  space(): Uint8Array {
    return this.#requests.space();
  }

  /** @inheritdoc */
  commit(countBytes: number): void {
    this.#requests.commit(countBytes);
  }

  /** @inheritdoc */
  end(): void {
    this.#requests.end();
  }

  /** @inheritdoc */
  get isBroken(): boolean {
    return this.#requests.isBroken;
  }

  /** @inheritdoc */
  get phase(): SessionPhase {
    return this.#requests.unusedBytes === 0 ? "idle" : "request";
  }

  /** @inheritdoc */
  get heldBytes(): number {
    return this.#requests.heldBytes;
  }

  /** @inheritdoc */
  run(): MaybePromise<boolean> {
    this.#answers ??= this.#spare.take();
    return execute(
      this.#engine,
      this.#requests,
      this.#answers,
      this.#monitor,
      this.#writer,
      this.#snapshot,
    );
  }

  /** @inheritdoc */
  answers(): Uint8Array {
    return this.#answers?.bytes() ?? NO_BYTES;
  }

  /** @inheritdoc */
  forgetAnswers(): void {
    const answers = this.#answers;
    if (answers === undefined) return;
    this.#answers = undefined;
    this.#spare.give(answers);
  }

  /** @inheritdoc */
  close(): void {
    this.#snapshot?.close();
  }
}
