/**
 * From the bytes of a connection to its requests.
 *
 * @module
 */

import { type KvsRequest, ProtocolError } from "../request.ts";
import {
  type RequestLimits,
  requestLimits,
  tooLong,
} from "../request_limits.ts";
import { CARRIAGE_RETURN, NEWLINE, OPEN_BRACE, SPACE, TAB } from "./bytes.ts";
import { FrameScanner } from "./frame_scanner.ts";
import { InputBuffer } from "./input_buffer.ts";
import {
  badOpening,
  CanonicalDecoder,
  decodeGeneral,
  decodeRequest,
} from "./request_decoder.ts";

export type { RequestLimits };

/** In place of a frame's length where more bytes are needed. */
const INCOMPLETE = 0;
/** In place of a frame's length where the connection is broken. */
const BROKEN = -1;

/**
 * The requests of one connection: bytes go in as they are read, requests come
 * out as soon as they are whole.
 *
 * A request ends at a newline or at the end of the stream; blank lines are
 * skipped. A whole object that is all there is needs neither, since the client
 * may be waiting for its answer. An object may spread over lines, see
 * {@linkcode FrameScanner}.
 *
 * A connection that does not begin with a JSON object is broken, and nothing
 * that follows is read. A web page can make a browser send bytes of its choice
 * to a local port, but only after a line of HTTP or a TLS handshake; to
 * recognize those alone would miss their variations, and other protocols.
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
  /** Whether the connection has begun with an object, here or elsewhere. */
  hasBegun = false;
  readonly #input = new InputBuffer(0);
  readonly #canonical = new CanonicalDecoder();
  readonly #scanner = new FrameScanner();
  #maxKeyBytes = 0;
  #maxValueBytes = 0;
  #maxRequestBytes = 0;
  /** Why the last frame must not be parsed, if so. */
  #excess: string | undefined;
  #isEnded = false;
  #isBroken = false;
  /** What broke the connection, until {@linkcode next} has given it. */
  #fatalError: ProtocolError | undefined;

  /** @throws {RangeError} If a limit is not a number of bytes, or too large. */
  constructor(limits: RequestLimits = {}) {
    this.setLimits(limits);
  }

  /** Limits requests from now on. */
  setLimits(limits: RequestLimits): void {
    const { maxKeyBytes, maxValueBytes, maxRequestBytes } = requestLimits(
      limits,
    );
    this.#maxKeyBytes = maxKeyBytes;
    this.#maxValueBytes = maxValueBytes;
    this.#maxRequestBytes = this.#input.maxBytes = maxRequestBytes;
  }

  /**
   * Whether nothing after the last request can be understood: the connection
   * is to be closed once everything until then is answered.
   */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** How much memory it takes, in bytes. */
  get heldBytes(): number {
    return this.#input.bytes.length;
  }

  /** How many bytes there are that no request was taken from. */
  get unusedBytes(): number {
    return this.#input.end - this.#input.start;
  }

  /**
   * Gives room to read into, some kilobytes and `minBytes` at least. Requests
   * that were taken before are void from here on, since their keys and values
   * are views of the buffer.
   */
  space(minBytes = 0): Uint8Array<ArrayBuffer> {
    return this.#input.space(minBytes);
  }

  /**
   * Takes what was read into the room that {@linkcode space} gave.
   *
   * @throws {RangeError} If the room was smaller.
   */
  commit(countBytes: number): void {
    this.#input.commit(countBytes);
  }

  /** Declares that no more bytes will come, so the rest is a request as it is. */
  end(): void {
    this.#isEnded = true;
  }

  /** Breaks the connection: nothing that is left is a request. */
  break(): void {
    this.#isBroken = true;
    this.#fatalError = undefined;
    this.#input.start = this.#input.end;
    this.#scanner.reset();
  }

  /**
   * Takes the next request that is whole, or the error that it is; `undefined`
   * where more bytes are needed. It is valid until the next {@linkcode space}.
   */
  next(): KvsRequest | ProtocolError | undefined {
    const input = this.#input;
    const start = this.#skipBlanks();
    if (start === input.end || this.#isBroken) {
      input.start = input.end;
      const error = this.#fatalError;
      this.#fatalError = undefined;
      return error;
    }
    const isRest = this.#scanner.scannedBytes > 0;
    if (!isRest) {
      const { bytes, view, end } = input;
      const request = this.#canonical.decode(bytes, view, start, end);
      if (request !== undefined) {
        input.start = this.#canonical.end;
        this.hasBegun = true;
        return this.#checked(request, input.start - start);
      }
    }
    const length = this.#nextFrame(!this.hasBegun);
    if (length === INCOMPLETE) return undefined;
    if (length === BROKEN) return this.next();
    return this.#decode(start, length, isRest);
  }

  /**
   * Takes the bytes of all requests that are whole, undecoded, for a buffer
   * with the same limits whose stream they are. Where an error breaks the
   * connection they end before it, and {@linkcode next} gives the error: that
   * other buffer might find the end of the broken request elsewhere, and run
   * what comes after it. They are valid until the next {@linkcode space}, and
   * their `byteOffset` is their {@linkcode position}.
   */
  takeFrames(): Uint8Array {
    const input = this.#input;
    const from = this.#skipBlanks();
    const { bytes } = input;
    let to = from;
    let isOpening = !this.hasBegun;
    while (this.#skipBlanks() < input.end && !this.#isBroken) {
      if (this.#nextFrame(isOpening) <= INCOMPLETE) break;
      isOpening = false;
      to = input.start;
    }
    return bytes.subarray(from, to);
  }

  /** Where the bytes begin that no request was taken from. */
  get position(): number {
    return this.#input.start;
  }

  /** Goes back to a position since the last {@linkcode space}. */
  rewind(position: number): void {
    this.#input.start = position;
    this.#scanner.reset();
    this.#isBroken = false;
    this.#fatalError = undefined;
  }

  /** Moves to the first byte that is not blank, and returns its place. */
  #skipBlanks(): number {
    const input = this.#input;
    const { bytes, end } = input;
    let start = input.start;
    while (start < end && isBlank(bytes[start])) start++;
    return input.start = start;
  }

  /**
   * Scans to the end of the next request, moves after it and returns its
   * length; `INCOMPLETE`, or `BROKEN` and then there is the fatal error.
   */
  #nextFrame(isOpening: boolean): number {
    const input = this.#input;
    const scanner = this.#scanner;
    const { bytes, start, end } = input;
    if (isOpening && bytes[start] !== OPEN_BRACE) {
      return this.#fail(badOpening(bytes.subarray(start, end)));
    }
    let length = scanner.scan(bytes, start, end);
    if (length < 0) {
      length = end - start;
      if (length > this.#maxRequestBytes) {
        return this.#fail(tooLong("request", length, this.#maxRequestBytes));
      }
      if (!scanner.isWhole && !this.#isEnded) return INCOMPLETE;
    }
    input.start = start + length;
    this.#excess = scanner.finish();
    return length;
  }

  /** Decodes a frame; the fast path has refused it unless it is the rest. */
  #decode(
    start: number,
    length: number,
    isRest: boolean,
  ): KvsRequest | ProtocolError {
    const { bytes } = this.#input;
    const end = start + length;
    try {
      if (this.#excess !== undefined) {
        throw new ProtocolError(this.#excess, { malformed: true });
      }
      const request = isRest
        ? decodeRequest(bytes, start, end)
        : decodeGeneral(bytes.subarray(start, end));
      this.hasBegun = true;
      return this.#checked(request, length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (error.fatal || (!this.hasBegun && error.malformed)) this.break();
      else this.hasBegun = true;
      return error;
    }
  }

  #checked(request: KvsRequest, lengthBytes: number) {
    if (lengthBytes > this.#maxRequestBytes) {
      this.break();
      return tooLong("request", lengthBytes, this.#maxRequestBytes);
    }
    if (!("key" in request)) return request;
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

  #fail(error: ProtocolError): typeof BROKEN {
    this.break();
    this.#fatalError = error;
    return BROKEN;
  }
}

function isBlank(byte: number): boolean {
  return byte === NEWLINE || byte === CARRIAGE_RETURN || byte === SPACE ||
    byte === TAB;
}
