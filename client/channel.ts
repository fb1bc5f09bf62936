/**
 * One connection to a server, with any number of requests under way.
 *
 * @module
 */

import { type Answer, decodeAnswer } from "../protocol/answer.ts";
import { NEWLINE } from "../protocol/json/bytes.ts";
import { ConnectionError, KvsError, noAnswerWithin } from "./client_error.ts";
import { InputBuffer } from "../protocol/json/input_buffer.ts";

/** Requests leave in one write as long as they take no more than this. */
const WRITE_CHARACTERS = 256 * 1024;

/** The content type of the record with which TLS refuses what is not TLS. */
const TLS_ALERT = 0x15;

/** The longest answer; beyond it may not fit into a string. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/**
 * So many times within the time limit it is looked whether anything has moved.
 * To count them bears a process that stands still for a while, as a clock that
 * is read does not.
 */
const LOOKS = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A request without an answer; they hang together in the order of issue. */
interface PendingRequest {
  /** What is to be sent; empty once it is encoded. */
  line: string;
  readonly settle: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  /** Whether the answer may take any time while the server lives. */
  readonly isLong: boolean;
  next: PendingRequest | undefined;
}

/** Options of a {@linkcode Channel}. */
export interface ChannelOptions {
  /**
   * After how many milliseconds without an answer, or a part of one, the
   * connection counts as lost; 0 is never.
   *
   * @default {0}
   */
  readonly timeoutMs?: number;
  /**
   * Resolves if the server lives. It is asked within that time, and again and
   * again, while a request is under way that may take longer.
   *
   * @default nobody is asked
   */
  readonly probe?: (signal: AbortSignal) => Promise<void>;
}

/** Options of {@linkcode Channel.request}. */
export interface ChannelRequestOptions {
  /**
   * Ends the wait for the answer when it aborts; the request may be carried out
   * nevertheless.
   */
  readonly signal?: AbortSignal;
  /**
   * Whether the answer may take any time as long as the server lives.
   *
   * @default {false}
   */
  readonly isLong?: boolean;
}

/**
 * Sends requests and matches the answers, which come in the same order.
 *
 * Requests issued in the same turn leave in one write. Those that are issued
 * faster than the connection takes them wait as they were given, and are
 * encoded only some hundred kilobytes at a time.
 */
export class Channel {
  readonly #conn: Deno.Conn;
  readonly #addr: string;
  readonly #timeoutMs: number;
  readonly #probe: ChannelOptions["probe"];
  /** Aborts when the channel closes. */
  readonly #closing = new AbortController();
  readonly #input = new InputBuffer(MAX_ANSWER_BYTES);
  /** The request that is to be answered next; the list begins here. */
  #oldest: PendingRequest | undefined;
  /** The request that is to be sent next. */
  #unsent: PendingRequest | undefined;
  #newest: PendingRequest | undefined;
  #pendingCount = 0;
  #lastPromise: Promise<unknown> = Promise.resolve();
  #isSending = false;
  /** Looks after the time limit, from a request on until nothing is pending. */
  #timer: ReturnType<typeof setInterval> | undefined;
  /** How often it has looked since anything moved. */
  #quietLooks = 0;
  /** Why there is no connection any more. */
  #end: {
    readonly how: string;
    readonly cause: unknown;
    readonly reason: string | undefined;
  } | undefined;

  /**
   * Takes a connection over.
   *
   * @param conn The connection; closed with the channel, or when it is lost.
   * @param addr The server's address, for error messages.
   * @param options See {@linkcode ChannelOptions}.
   */
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
   * Sends a request.
   *
   * @typeParam T What the answer is read as.
   * @param message The request, to be encoded as JSON.
   * @param read Reads the answer; what it throws rejects the promise.
   * @param options See {@linkcode ChannelRequestOptions}.
   * @returns What was read.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws {RangeError} If the request is too long for a string.
   * @throws The reason of the signal, if it aborts.
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
    if (this.#pendingCount === 0) this.#quietLooks = 0;
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

  /**
   * Makes sure that there is a connection.
   *
   * @throws {ConnectionError} If it is closed or lost.
   */
  throwIfEnded(): void {
    if (this.#end !== undefined) throw this.#error();
  }

  /** Waits until nothing is under way, be it answered or failed. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#lastPromise]);
  }

  /** Closes the connection at once; requests without an answer reject. */
  close(): void {
    this.#finish("closed");
  }

  async #send(): Promise<void> {
    this.#isSending = true;
    // What else is issued in this turn is to leave in the same write.
    await undefined;
    try {
      while (this.#unsent !== undefined) {
        const bytes = this.#encodeUnsent();
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#conn.write(bytes.subarray(sent));
          this.#quietLooks = 0;
        }
      }
      this.#isSending = false;
    } catch {
      // Answers that came before the connection broke are still to be read,
      // the last of which may say why; receiving then meets the end as well.
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
        this.#quietLooks = 0;
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

  /** What the rest of the input says of the server, if anything. */
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
          : new Error("The server answered what nobody asked");
      }
      this.#oldest = request.next;
      if (request.next === undefined) this.#newest = undefined;
      this.#pendingCount--;
      request.settle(answer);
    }
  }

  #watch(): void {
    this.#timer = setInterval(() => this.#look(), this.#timeoutMs / LOOKS);
  }

  #look(): void {
    const request = this.#oldest;
    if (request === undefined) {
      // Only now, so that a client that asks one by one sets no timers.
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#quietLooks++;
    // The first look may have come at once after the last movement
    if (this.#quietLooks > LOOKS) {
      this.#finish("timed out", undefined, noAnswerWithin(this.#timeoutMs));
    } else if (request.isLong && this.#quietLooks === LOOKS / 2) {
      this.#probe?.(this.#closing.signal)
        .then(() => this.#quietLooks = 0, () => {});
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
