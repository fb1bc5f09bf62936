/**
 * One connection to a server, with any number of requests under way.
 *
 * @module
 */

import { type Answer, decodeAnswer } from "./answer.ts";
import { NEWLINE } from "./bytes.ts";
import { ConnectionError, KvsError } from "./client_error.ts";
import { InputBuffer } from "./input_buffer.ts";

/** Requests leave in one write as long as they take no more than this. */
const WRITE_CHARACTERS = 256 * 1024;

/** The content type of the record with which TLS refuses what is not TLS. */
const TLS_ALERT = 0x15;

/** The longest answer; beyond it may not fit into a string. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A request without an answer; they hang together in the order of issue. */
interface PendingRequest {
  /** What is to be sent; empty once it is encoded. */
  line: string;
  readonly settle: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  next: PendingRequest | undefined;
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
  readonly #input = new InputBuffer(MAX_ANSWER_BYTES);
  /** The request that is to be answered next; the list begins here. */
  #oldest: PendingRequest | undefined;
  /** The request that is to be sent next. */
  #unsent: PendingRequest | undefined;
  #newest: PendingRequest | undefined;
  #pendingCount = 0;
  #lastPromise: Promise<unknown> = Promise.resolve();
  #isSending = false;
  /** Why there is no connection any more. */
  #end: { readonly how: string; readonly cause: unknown } | undefined;

  /**
   * Takes a connection over.
   *
   * @param conn The connection; closed with the channel, or when it is lost.
   * @param addr The server's address, for error messages.
   */
  constructor(conn: Deno.Conn, addr: string) {
    this.#conn = conn;
    this.#addr = addr;
    this.#receive();
  }

  /**
   * Sends a request.
   *
   * @typeParam T What the answer is read as.
   * @param message The request, to be encoded as JSON.
   * @param read Reads the answer; what it throws rejects the promise.
   * @param signal Ends the wait for the answer when it aborts; the request may
   * be carried out nevertheless.
   * @returns What was read.
   * @throws {ConnectionError} If the connection is lost before the answer.
   * @throws {RangeError} If the request is too long for a string.
   * @throws The reason of the signal, if it aborts.
   */
  async request<T>(
    message: unknown,
    read: (answer: Answer) => T,
    signal?: AbortSignal,
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
    const request = { line, settle, reject, next: undefined };
    if (this.#newest !== undefined) this.#newest.next = request;
    this.#newest = request;
    this.#oldest ??= request;
    this.#unsent ??= request;
    this.#pendingCount++;
    this.#lastPromise = promise;
    if (!this.#isSending) this.#send();
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

  #finish(how: string, cause?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { how, cause };
    this.#conn.close();
    const error = this.#error();
    for (let request = this.#oldest; request; request = request.next) {
      request.reject(error);
    }
    this.#oldest = this.#unsent = this.#newest = undefined;
    this.#pendingCount = 0;
  }

  #error(): ConnectionError {
    const { how = "closed", cause } = this.#end ?? {};
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
    const said = cause instanceof KvsError ? `: ${cause.message}` : "";
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
