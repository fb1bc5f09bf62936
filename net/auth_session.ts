/**
 * Sessions that begin with a token.
 *
 * @module
 */

import type { MaybePromise } from "../engine/engine.ts";
import type { Counters } from "../monitor/counters.ts";
import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import { RequestBuffer } from "../protocol/json/request_buffer.ts";
import { isToken } from "../protocol/token_hash.ts";
import type { MakeSession, Session, SessionPhase } from "./session.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * What a stranger may send as one request: room for the longest token with
 * every byte escaped, and nothing that is worth an attack.
 */
const MAX_STRANGERS_BYTES = 32 * 1024;

/** Refusals leave once they take so much: few bytes in make many of them. */
const MAX_REFUSALS_BYTES = 64 * 1024;

const REQUIRED =
  'Authentication required: send {"Auth":{"token":"…"}} before anything else';
const FAILED = "Authentication failed: wrong token";

/**
 * Refuses every request until one shows the token, then hands all that
 * follows to a session that is made only now.
 */
export class AuthSession implements Session {
  readonly #makeSession: MakeSession;
  #stranger: Stranger | undefined;
  #session: Session;
  /** What came behind the token in the same reads. */
  #rest = NO_BYTES;
  #isEnded = false;
  /** Whether the session has run all that it was given. */
  #isDrained = true;

  /**
   * @param tokenHash The hash of the token.
   * @param makeSession Makes the session behind it.
   * @param counters Counts who shows the token, and what is refused.
   */
  constructor(
    tokenHash: Uint8Array,
    makeSession: MakeSession,
    counters: Counters,
  ) {
    this.#makeSession = makeSession;
    this.#session = this.#stranger = new Stranger(tokenHash, counters);
  }

  /** @inheritdoc */
  get isBroken(): boolean {
    return this.#session.isBroken;
  }

  /** @inheritdoc */
  get phase(): SessionPhase {
    return this.#session.phase;
  }

  /** @inheritdoc */
  get heldBytes(): number {
    return this.#session.heldBytes + this.#rest.length;
  }

  /** @inheritdoc */
  space(): Uint8Array {
    return this.#session.space();
  }

  /** @inheritdoc */
  commit(countBytes: number): void {
    this.#session.commit(countBytes);
  }

  /** @inheritdoc */
  end(): void {
    this.#isEnded = true;
    this.#session.end();
  }

  /** @inheritdoc */
  run(): MaybePromise<boolean> {
    // Only now has the answer to the token left.
    if (this.#stranger?.isAdmitted) this.#enter(this.#stranger);
    if (this.#isDrained && this.#rest.length > 0) this.#feed();
    const ran = this.#session.run();
    return ran instanceof Promise
      ? ran.then((isMore) => this.#isMore(isMore))
      : this.#isMore(ran);
  }

  /** @inheritdoc */
  answers(): Uint8Array {
    return this.#session.answers();
  }

  /** @inheritdoc */
  forgetAnswers(): void {
    this.#session.forgetAnswers();
  }

  /** @inheritdoc */
  close(): void {
    this.#session.close();
  }

  #enter(stranger: Stranger): void {
    this.#session = this.#makeSession(true);
    this.#stranger = undefined;
    this.#isDrained = true;
    this.#rest = stranger.takeRest();
    if (this.#rest.length === 0 && this.#isEnded) this.#session.end();
  }

  /** Gives the session the next piece of the rest, as if it were read. */
  #feed(): void {
    const space = this.#session.space();
    const piece = this.#rest.subarray(0, space.length);
    space.set(piece);
    this.#session.commit(piece.length);
    const left = this.#rest.subarray(piece.length);
    // An empty view would keep all of what was read in memory.
    this.#rest = left.length > 0 ? left : NO_BYTES;
    if (this.#rest.length === 0 && this.#isEnded) this.#session.end();
  }

  #isMore(isMore: boolean): boolean {
    this.#isDrained = !isMore;
    return isMore || (this.#rest.length > 0 && !this.isBroken);
  }
}

/** The session of a client that has not shown the token. */
class Stranger implements Session {
  /** Whether it has shown the token now. */
  isAdmitted = false;
  readonly phase = "admission";
  readonly #tokenHash: Uint8Array;
  readonly #counters: Counters;
  readonly #requests = new RequestBuffer({
    maxRequestBytes: MAX_STRANGERS_BYTES,
  });
  readonly #answers = new AnswerBuffer(MAX_REFUSALS_BYTES);
  #isRefused = false;

  constructor(tokenHash: Uint8Array, counters: Counters) {
    this.#tokenHash = tokenHash;
    this.#counters = counters;
  }

  get isBroken(): boolean {
    return this.#isRefused || this.#requests.isBroken;
  }

  get heldBytes(): number {
    return this.#requests.heldBytes;
  }

  space(): Uint8Array {
    return this.#requests.space();
  }

  commit(countBytes: number): void {
    this.#requests.commit(countBytes);
  }

  end(): void {
    this.#requests.end();
  }

  run(): boolean {
    const answers = this.#answers;
    while (!answers.isFull) {
      const request = this.#requests.next();
      if (request === undefined) return false;
      if (request.kind !== "auth") {
        this.#counters.add("denied");
        answers.err(REQUIRED);
      } else if (isToken(request.token, this.#tokenHash)) {
        this.#counters.add("auth");
        answers.ok();
        this.isAdmitted = true;
        return true;
      } else {
        this.#counters.add("denied");
        answers.err(FAILED);
        // Who guesses has to connect for each guess.
        this.#isRefused = true;
        return false;
      }
    }
    return true;
  }

  answers(): Uint8Array {
    return this.#answers.bytes();
  }

  forgetAnswers(): void {
    this.#answers.clear();
  }

  close(): void {}

  /** Takes the bytes behind the token. */
  takeRest(): Uint8Array<ArrayBuffer> {
    return this.#requests.takeRest();
  }
}
