/**
 * One connection to a server, with any number of pending requests.
 *
 * @module
 */

import { type Answer, decodeAnswer } from "../protocol/answer.ts";
import { NEWLINE } from "../protocol/json/bytes.ts";
import { InputBuffer } from "../protocol/json/input_buffer.ts";
import { ConnectionError, KvsError, noAnswerWithin } from "./errors.ts";

/** The most requests in one write, unless one alone is longer. */
const WRITE_CHARACTERS = 256 * 1024;

/** The content type of the TLS record that refuses what is not TLS. */
const TLS_ALERT = 0x15;

/** The longest answer: a longer one may not fit into a string. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/**
 * How many checks for progress the time limit has. Unlike a clock, a count of
 * them does not expire while the process itself is stopped.
 */
const CHECKS = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A request without an answer, linked to the next one that was made. */
interface PendingRequest {
  /** The bytes to send as text; empty once they are encoded. */
  line: string;
  readonly settle: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  /** Whether the answer may take any time while the server responds. */
  readonly isLong: boolean;
  next: PendingRequest | undefined;
}

/** Options of a {@linkcode Channel}. */
export interface ChannelOptions {
  /**
   * After how many milliseconds without progress the connection counts as
   * lost; 0 for never.
   *
   * @default {0}
   */
  readonly timeoutMs?: number;
  /**
   * Resolves if the server responds. Called within each such time while a
   * request is pending that may take longer.
   *
   * @default the server is not probed
   */
  readonly probe?: (signal: AbortSignal) => Promise<void>;
}

/** Options of {@linkcode Channel.request}. */
interface ChannelRequestOptions {
  /** Ends the wait for the answer, though not the request, when it aborts. */
  readonly signal?: AbortSignal;
  /** Whether the answer may take any time while the server responds. */
  readonly isLong?: boolean;
}

/**
 * Sends requests and matches the answers, which arrive in the same order.
 *
 * Requests made in one turn of the event loop are sent in one write. Those that
 * are made faster than the connection takes them wait as text, and are encoded
 * some hundred kilobytes at a time.
 */
export class Channel {
  readonly #conn: Deno.Conn;
  readonly #addr: string;
  readonly #timeoutMs: number;
  readonly #probe: ChannelOptions["probe"];
  /** Aborts when the channel closes. */
  readonly #closing = new AbortController();
  readonly #input = new InputBuffer(MAX_ANSWER_BYTES);
  /** The request to be answered next, the head of the list. */
  #oldest: PendingRequest | undefined;
  /** The request to be sent next. */
  #unsent: PendingRequest | undefined;
  #newest: PendingRequest | undefined;
  #pendingCount = 0;
  #lastPromise: Promise<unknown> = Promise.resolve();
  #isSending = false;
  /** Checks for progress, from a request on until none is pending. */
  #timer: ReturnType<typeof setInterval> | undefined;
  /** How many checks there were since the last progress. */
  #idleChecks = 0;
  /** Why the connection has ended. */
  #end: {
    readonly how: string;
    readonly cause: unknown;
    readonly reason: string | undefined;
  } | undefined;

  /** Owns the connection; the address is for error messages. */
  constructor(
    conn: Deno.Conn,
    addr: string,
    { timeoutMs = 0, probe }: ChannelOptions = {},
  ) {
    this.#conn = conn;
    this.#addr = addr;
    this.#timeoutMs = timeoutMs;
    this.#probe = probe;
    this.#receive();
  }

  /**
   * Sends a message as JSON and reads its answer. Rejects with what `read`
   * throws, a {@linkcode ConnectionError}, the reason of the signal, or a
   * `RangeError` if the message is too long for a string.
   */
  async request<T>(
    message: unknown,
    read: (answer: Answer) => T,
    { signal, isLong = false }: ChannelRequestOptions = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    this.throwIfEnded();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const line = `${JSON.stringify(message)}\n`;
    const settle = (answer: Answer) => {
      try {
        resolve(read(answer));
      } catch (error) {
        reject(error);
      }
    };
    const request = { line, settle, reject, isLong, next: undefined };
    if (this.#pendingCount === 0) this.#idleChecks = 0;
    if (this.#newest !== undefined) this.#newest.next = request;
    this.#newest = request;
    this.#oldest ??= request;
    this.#unsent ??= request;
    this.#pendingCount++;
    this.#lastPromise = promise;
    if (!this.#isSending) this.#send();
    if (this.#timer === undefined && this.#timeoutMs > 0) this.#watch();
    return await (signal === undefined
      ? promise
      : beforeAbort(promise, signal));
  }

  /** Throws a {@linkcode ConnectionError} if the connection has ended. */
  throwIfEnded(): void {
    if (this.#end !== undefined) throw this.#error();
  }

  /** Waits until no request is pending. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#lastPromise]);
  }

  /** Closes the connection at once; pending requests reject. */
  close(): void {
    this.#finish("closed");
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // Requests made in this turn of the event loop join the same write.
    await undefined;
    try {
      while (this.#unsent !== undefined) {
        const bytes = this.#encodeUnsent();
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#conn.write(bytes.subarray(sent));
          this.#idleChecks = 0;
        }
      }
      this.#isSending = false;
    } catch {
      // Answers that arrived before are still to be read, the last of which may
      // say why; #receive() then finds the end too.
    }
  }

  #encodeUnsent(): Uint8Array {
    let text = "";
    let request = this.#unsent;
    while (
      request !== undefined &&
      (text === "" || text.length + request.line.length <= WRITE_CHARACTERS)
    ) {
      text += request.line;
      request.line = "";
      request = request.next;
    }
    this.#unsent = request;
    return encoder.encode(text);
  }

  async #receive(): Promise<void> {
    const input = this.#input;
    try {
      for (;;) {
        const read = await this.#conn.read(input.space());
        if (read === null) return this.#finish("lost", this.#mismatch());
        input.commit(read);
        this.#idleChecks = 0;
        const fresh = input.bytes.subarray(input.end - read, input.end);
        const end = input.end - read + fresh.lastIndexOf(NEWLINE) + 1;
        if (end > input.end - read) {
          const mismatch = this.#mismatch();
          if (mismatch !== undefined) return this.#finish("lost", mismatch);
          const text = decoder.decode(input.bytes.subarray(input.start, end));
          input.start = end;
          this.#settle(text.slice(0, -1).split("\n"));
        }
      }
    } catch (error) {
      this.#finish("lost", this.#mismatch() ?? error);
    }
  }

  /** An error if the rest of the input shows another protocol. */
  #mismatch(): ConnectionError | undefined {
    const { bytes, start, end } = this.#input;
    return end > start && bytes[start] === TLS_ALERT
      ? new ConnectionError("the server speaks TLS, this client does not")
      : undefined;
  }

  #settle(lines: readonly string[]): void {
    for (const line of lines) {
      const answer = decodeAnswer(line);
      const request = this.#oldest;
      if (request === undefined) {
        throw "err" in answer
          ? new KvsError(answer.err)
          : new Error("The server sent an answer without a request");
      }
      this.#oldest = request.next;
      if (request.next === undefined) this.#newest = undefined;
      this.#pendingCount--;
      request.settle(answer);
    }
  }

  #watch(): void {
    this.#timer = setInterval(
      () => this.#checkProgress(),
      this.#timeoutMs / CHECKS,
    );
  }

  #checkProgress(): void {
    const request = this.#oldest;
    if (request === undefined) {
      // Only now, so that requests made one by one set no timers.
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#idleChecks++;
    // The first check may have come right after the last progress.
    if (this.#idleChecks > CHECKS) {
      this.#finish("timed out", undefined, noAnswerWithin(this.#timeoutMs));
    } else if (request.isLong && this.#idleChecks === CHECKS / 2) {
      this.#probe?.(this.#closing.signal)
        .then(() => this.#idleChecks = 0, () => {});
    }
  }

  #finish(
    how: string,
    cause?: unknown,
    reason = cause instanceof KvsError ? cause.message : undefined,
  ): void {
    if (this.#end !== undefined) return;
    this.#end = { how, cause, reason };
    clearInterval(this.#timer);
    this.#closing.abort();
    this.#conn.close();
    const error = this.#error();
    for (let request = this.#oldest; request; request = request.next) {
      request.reject(error);
    }
    this.#oldest = this.#unsent = this.#newest = undefined;
    this.#pendingCount = 0;
  }

  #error(): ConnectionError {
    const { how = "closed", cause, reason } = this.#end ?? {};
    if (cause instanceof ConnectionError) {
      return new ConnectionError(
        `Cannot talk to ${this.#addr}: ${cause.message}`,
        { cause },
      );
    }
    const count = this.#pendingCount;
    const left = count === 0
      ? ""
      : ` with ${count} ${count === 1 ? "request" : "requests"} unanswered`;
    const said = reason === undefined ? "" : `: ${reason}`;
    return new ConnectionError(
      `Connection to ${this.#addr} ${how}${left}${said}`,
      { cause },
    );
  }
}

/** Waits for a promise, unless the signal aborts first. */
async function beforeAbort<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
