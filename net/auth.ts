/**
 * The token that clients show first.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback, parseAddr } from "../addr.ts";
import type { MaybePromise } from "../engine/engine.ts";
import type { Counters } from "../monitor/counters.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import type {
  RequestBuffer,
  RequestLimits,
} from "../protocol/json/request_buffer.ts";
import type { RequestHandler } from "./connection.ts";

/**
 * The longest request before the token: room for the longest token with every
 * byte escaped, and nothing that is worth an attack.
 */
const MAX_REQUEST_BYTES = 32 * 1024;

/** Refusals leave once they take so much: few bytes in make many of them. */
const MAX_REFUSALS_BYTES = 64 * 1024;

const REQUIRED =
  'Authentication required: send {"Auth":{"token":"…"}} before anything else';
const FAILED = "Authentication failed: wrong token";

/** Hashes a token, text or UTF-8, so that the token itself need not be kept. */
export function hashToken(token: string | Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}

/** Compares a token with a hash, in a time that does not depend on either. */
export function isToken(token: Uint8Array, hash: Uint8Array): boolean {
  return timingSafeEqual(hashToken(token), hash);
}

/**
 * Checks that a server without a token can be reached from this machine only.
 *
 * @throws {TypeError} If that is no address.
 * @throws {Error} If it is not a loopback address.
 */
export function checkReachWithoutToken(addr: string): void {
  if (isLoopback(parseAddr(addr).hostname)) return;
  throw new Error(
    `Cannot listen on ${addr} without a token, since whoever reaches it could read and change everything: set one with --auth-file FILE or KVS_TOKEN (option token), or listen on 127.0.0.1`,
  );
}

/** Options of {@linkcode gated} and {@linkcode TokenGate}. */
export interface GateOptions<Hash = Uint8Array> {
  /** What {@linkcode hashToken} made of the token. */
  readonly tokenHash: Hash;
  /** The limits of requests after the token. */
  readonly limits: RequestLimits;
  /** Makes the handler of the requests after the token. */
  readonly makeHandler: () => RequestHandler;
  /** Counts tokens that were shown, and requests that were refused. */
  readonly counters: Counters;
}

/** Puts a gate before handlers, if there is a token. */
export function gated(
  { tokenHash, ...options }: GateOptions<Uint8Array | undefined>,
): () => RequestHandler {
  return tokenHash === undefined
    ? options.makeHandler
    : () => new TokenGate({ tokenHash, ...options });
}

/** Refuses every request until one shows the token. */
export class TokenGate implements RequestHandler {
  readonly #options: GateOptions;
  #isAdmitted = false;
  #handler: RequestHandler | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get isAdmitted(): boolean {
    return this.#isAdmitted;
  }

  run(requests: RequestBuffer, answers: AnswerBuffer): MaybePromise<boolean> {
    if (!this.#isAdmitted) return this.#admit(requests, answers);
    // Made only now that the answer to the token has left.
    this.#handler ??= this.#options.makeHandler();
    return this.#handler.run(requests, answers);
  }

  close(): void {
    this.#handler?.close();
  }

  #admit(requests: RequestBuffer, answers: AnswerBuffer): boolean {
    const { tokenHash, limits, counters } = this.#options;
    requests.setLimits({ maxRequestBytes: MAX_REQUEST_BYTES });
    while (answers.length < MAX_REFUSALS_BYTES) {
      const request = requests.next();
      if (request === undefined) return false;
      if (request.kind !== "auth") {
        counters.add("denied");
        answers.err(REQUIRED);
      } else if (isToken(request.token, tokenHash)) {
        counters.add("auth");
        answers.ok();
        requests.setLimits(limits);
        this.#isAdmitted = true;
        return true;
      } else {
        counters.add("denied");
        answers.err(FAILED);
        // A client that guesses has to connect for each guess.
        requests.break();
        return false;
      }
    }
    return true;
  }
}
