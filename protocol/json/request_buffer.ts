/**
 * From the bytes of a connection to its requests.
 *
 * @module
 */

import { CARRIAGE_RETURN, NEWLINE, OPEN_BRACE, SPACE, TAB } from "./bytes.ts";
import { CanonicalDecoder } from "./canonical.ts";
import { FrameScanner } from "./frame_scanner.ts";
import { InputBuffer } from "./input_buffer.ts";
import { ProtocolError } from "../protocol_error.ts";
import { badOpening, decodeRequest, type KvsRequest } from "../request.ts";
import {
  type RequestLimits,
  requestLimits,
  tooLong,
} from "../request_limits.ts";

export type { RequestLimits };

/**
 * The requests of one connection: bytes go in as they are read, requests come
 * out as soon as they are whole.
 *
 * A request ends at a newline or at the end of the stream; blank lines are
 * skipped. A whole object that is all there is needs neither, since whoever
 * sent it may be waiting. An object may spread over lines, see
 * {@linkcode FrameScanner}.
 *
 * A connection that does not begin with a JSON object is broken, and nothing
 * that follows is looked at. A web page can make a browser send bytes of its
 * choice to a local port, but only after a line of HTTP or a TLS handshake; to
 * recognize those would leave their variations, and other protocols.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const requests = new RequestBuffer();
 * const { written } = new TextEncoder()
 *   .encodeInto('{"Get":{"key":"a"}}\n{"Get":{"ke', requests.space());
 * requests.commit(written);
 * assertEquals(requests.next()?.kind, "get");
 * assertEquals(requests.next(), undefined);
 * ```
 */
export class RequestBuffer {
  readonly #input: InputBuffer;
  readonly #canonical = new CanonicalDecoder();
  readonly #scanner = new FrameScanner();
  readonly #maxKeyBytes: number;
  readonly #maxValueBytes: number;
  readonly #maxRequestBytes: number;
  #isEnded = false;
  #isBroken = false;
  /** Whether the connection has yet to begin with an object. */
  #isFirst = true;
  /** The last error, where {@linkcode takeWhole} came upon it. */
  #lastError: ProtocolError | undefined;

  /**
   * Makes an empty buffer.
   *
   * @param limits How large requests may be.
   * @throws {RangeError} If a limit is not a number of bytes, or too large.
   */
  constructor(limits: RequestLimits = {}) {
    const { maxKeyBytes, maxValueBytes, maxRequestBytes } = requestLimits(
      limits,
    );
    this.#maxKeyBytes = maxKeyBytes;
    this.#maxValueBytes = maxValueBytes;
    this.#maxRequestBytes = maxRequestBytes;
    this.#input = new InputBuffer(maxRequestBytes);
  }

  /**
   * Whether nothing after the last request can be understood: the connection
   * is to be closed once everything until then is answered.
   */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Gives room to read into. Requests that were handed out before are void
   * from here on, since their keys and values are views of the buffer.
   *
   * @param minBytes How many bytes must fit: all of a batch that
   * {@linkcode takeWhole} gave, which may be larger than one request may be.
   * @returns Room for some kilobytes at least.
   */
  space(minBytes = 0): Uint8Array<ArrayBuffer> {
    return this.#input.space(minBytes);
  }

  /**
   * Takes what was read into the room that {@linkcode space} gave.
   *
   * @param countBytes How many bytes were read, from the room's beginning.
   * @throws {RangeError} If the room was smaller.
   */
  commit(countBytes: number): void {
    this.#input.commit(countBytes);
  }

  /** Says that the connection has begun elsewhere, with an object. */
  resume(): void {
    this.#isFirst = false;
  }

  /** Says that no more bytes will come, so the rest is a request as it is. */
  end(): void {
    this.#isEnded = true;
  }

  /**
   * Takes the next request that is whole.
   *
   * @returns The request, or what is wrong with it, or `undefined` where more
   * bytes are needed. It is valid until the next call of {@linkcode space}.
   */
  next(): KvsRequest | ProtocolError | undefined {
    const input = this.#input;
    if (this.#scanner.scannedBytes > 0) return this.#nextScanned();
    const { bytes, view, end } = input;
    let start = input.start;
    while (start < end && isBlank(bytes[start])) start++;
    if (start === end || this.#isBroken) {
      input.start = end;
      const error = this.#lastError;
      this.#lastError = undefined;
      return error;
    }
    const request = this.#canonical.decode(bytes, view, start, end);
    if (request === undefined) {
      input.start = start;
      return this.#nextScanned();
    }
    input.start = this.#canonical.end;
    this.#isFirst = false;
    return this.#checked(request, input.start - start);
  }

  /** How much memory it takes, in bytes. */
  get heldBytes(): number {
    return this.#input.bytes.length;
  }

  /** How many bytes are there that no request was taken from. */
  get unusedBytes(): number {
    return this.#input.end - this.#input.start;
  }

  /**
   * Takes all requests that are whole, unread, to be run somewhere else by a
   * buffer with the same limits and these bytes, all at once, for its stream.
   *
   * An error that breaks the connection is never among them: where that other
   * buffer might find the end of the broken request elsewhere, it would run
   * what comes after.
   *
   * @param isOwn Says which request to stop at; {@linkcode next} gives it, as
   * it does the error that breaks the connection.
   * @returns Their bytes, valid until the next call of {@linkcode space};
   * none where more bytes are needed, or the next request is one to stop at.
   */
  takeWhole(
    isOwn: (request: KvsRequest | ProtocolError) => boolean = () => false,
  ): Uint8Array {
    const input = this.#input;
    const { start } = input;
    for (;;) {
      const end = input.start;
      const request = this.next();
      if (request === undefined) break;
      const isLast = isOwn(request);
      if (this.#isBroken && request.kind === "invalid") {
        this.#lastError = request;
        return input.bytes.subarray(start, end);
      }
      if (!isLast) continue;
      input.start = end;
      break;
    }
    // Where more bytes are needed, next() may only have skipped blanks.
    return input.bytes.subarray(start, input.start);
  }

  /**
   * Takes all bytes that no request was taken from, to be read by another
   * buffer. Only right after {@linkcode next} has given a request.
   *
   * @returns The bytes, valid until the next call of {@linkcode space}.
   */
  takeRest(): Uint8Array<ArrayBuffer> {
    const { bytes, start, end } = this.#input;
    this.#input.start = end;
    return bytes.subarray(start, end);
  }

  /** Finds the end of a request byte by byte, and decodes it. */
  #nextScanned(): KvsRequest | ProtocolError | undefined {
    const input = this.#input;
    const scanner = this.#scanner;
    const { bytes, start, end } = input;
    if (this.#isFirst && bytes[start] !== OPEN_BRACE) {
      return this.#break(badOpening(bytes.subarray(start, end)));
    }
    let length = scanner.scan(bytes, start, end);
    if (length < 0) {
      length = end - start;
      if (length > this.#maxRequestBytes) {
        return this.#break(tooLong("request", length, this.#maxRequestBytes));
      }
      if (!scanner.isWhole && !this.#isEnded) return undefined;
    }
    const { excess } = scanner;
    scanner.reset();
    input.start = start + length;
    if (excess !== undefined) {
      return this.#refused(new ProtocolError(excess, { malformed: true }));
    }
    try {
      const request = decodeRequest(bytes, start, start + length);
      this.#isFirst = false;
      return this.#checked(request, length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#refused(error);
    }
  }

  #refused(error: ProtocolError): ProtocolError {
    if (error.fatal || (this.#isFirst && error.malformed)) {
      return this.#break(error);
    }
    this.#isFirst = false;
    return error;
  }

  #checked(request: KvsRequest, lengthBytes: number) {
    if (lengthBytes > this.#maxRequestBytes) {
      return this.#break(
        tooLong("request", lengthBytes, this.#maxRequestBytes),
      );
    }
    if (
      request.kind === "scan" || request.kind === "snapshot" ||
      request.kind === "compact" || request.kind === "stats" ||
      request.kind === "auth"
    ) return request;
    if (request.key.length > this.#maxKeyBytes) {
      return tooLong("key", request.key.length, this.#maxKeyBytes);
    }
    if (
      request.kind === "set" && request.value.length > this.#maxValueBytes
    ) {
      return tooLong("value", request.value.length, this.#maxValueBytes);
    }
    return request;
  }

  #break(error: ProtocolError): ProtocolError {
    this.#isBroken = true;
    this.#input.start = this.#input.end;
    this.#scanner.reset();
    return error;
  }
}

function isBlank(byte: number): boolean {
  return byte === NEWLINE || byte === CARRIAGE_RETURN || byte === SPACE ||
    byte === TAB;
}
