/**
 * Where a request ends that is not one plain line.
 *
 * @module
 */

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  NEWLINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from "./bytes.ts";

/**
 * How deep braces and brackets may nest. No request needs more than two, and
 * a JSON parser takes seconds for some megabytes of brackets.
 */
export const MAX_DEPTH = 32;

/**
 * How many commas may stand outside of strings. No request needs more than
 * six, and a JSON parser makes gigabytes of objects from some megabytes of
 * `{},{},`.
 */
export const MAX_COMMAS = 1_000;

const NO_LINE = -2;

/**
 * Finds the end of a request that may arrive in any number of reads, scanning
 * each byte once.
 *
 * A request ends at a newline outside of any brace or bracket, so JSON that is
 * pretty-printed is one request. Two things end it early, so that a broken
 * request costs no more than itself: a newline inside a string, which JSON
 * forbids, and a line that begins with `{"`, as only requests do.
 */
export class FrameScanner {
  /** How many bytes of the request were scanned. */
  scannedBytes = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #commas = 0;
  #excess: string | undefined;
  #lineStart = NO_LINE;
  #lastByte = 0;

  /** Whether what was scanned is a whole object, if it is valid. */
  get isWhole(): boolean {
    return this.#lastByte === CLOSE_BRACE && this.#depth === 0 &&
      !this.#isInString;
  }

  /**
   * Scans the bytes of a request, which begins at a byte that is not blank,
   * that it has not scanned yet. Returns the request's length, or -1 while no
   * end was found.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    let depth = this.#depth;
    let isInString = this.#isInString;
    let isEscaped = this.#isEscaped;
    let commas = this.#commas;
    let lineStart = this.#lineStart;
    let lastByte = this.#lastByte;
    for (let i = start + this.scannedBytes; i < end; i++) {
      const byte = bytes[i];
      if (byte === NEWLINE) {
        if (isInString || depth <= 0 || this.#excess !== undefined) {
          return i - start;
        }
        lineStart = i + 1 - start;
      } else if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isInString = false;
      } else if (byte > SPACE) {
        if (byte === QUOTE) {
          if (i - start === lineStart + 1 && bytes[i - 1] === OPEN_BRACE) {
            return lineStart - 1;
          }
          isInString = true;
        } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          if (++depth > MAX_DEPTH) {
            this.#excess ??= `Nested deeper than ${MAX_DEPTH} levels`;
          }
        } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
          depth--;
        } else if (byte === COMMA && ++commas > MAX_COMMAS) {
          this.#excess ??= `More than ${MAX_COMMAS} commas outside of strings`;
        }
        lastByte = byte;
      }
    }
    this.scannedBytes = end - start;
    this.#depth = depth;
    this.#isInString = isInString;
    this.#isEscaped = isEscaped;
    this.#commas = commas;
    this.#lineStart = lineStart;
    this.#lastByte = lastByte;
    return -1;
  }

  /** Starts over; returns why the request must not be parsed, if so. */
  finish(): string | undefined {
    const excess = this.#excess;
    this.reset();
    return excess;
  }

  /** Starts over. */
  reset(): void {
    this.scannedBytes = 0;
    this.#depth = 0;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#commas = 0;
    this.#excess = undefined;
    this.#lineStart = NO_LINE;
    this.#lastByte = 0;
  }
}
