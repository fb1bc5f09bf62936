/**
 * Bytes that came in and are not used up yet.
 *
 * @module
 */

/**
 * Room for one read to begin with; most connections never need more, and a
 * one-shot connection pays for all of it.
 */
const INITIAL_BYTES = 2 * 1024;

/** Room for one read on a connection that fills what it is given. */
const BUSY_BYTES = 256 * 1024;

/**
 * The input of one connection: a window of unused bytes in one array, which is
 * read into after the window and grows only where the window needs it.
 *
 * Each byte is moved at most once to the front, and arrays grow by doubling,
 * so the cost is linear in the input however small the reads are.
 */
export class InputBuffer {
  /** The array; what is in use lies from `start` to `end`. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_BYTES);
  /** The same array. */
  view: DataView = new DataView(this.bytes.buffer);
  /** Where the unused bytes begin; a reader that uses some moves it on. */
  start = 0;
  /** Where they end. */
  end = 0;
  /** How many unused bytes there may be when {@linkcode space} is called. */
  maxBytes: number;
  #isBusy = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /**
   * Gives room to read into, some kilobytes and `minBytes` at least. Views of
   * the array that were handed out before are void from here on.
   *
   * @throws {RangeError} If there are more unused bytes than there may be.
   */
  space(minBytes = 0): Uint8Array<ArrayBuffer> {
    const length = this.end - this.start;
    const capacity = this.bytes.length;
    const wanted = Math.max(this.#wantedCapacity(length), length + minBytes);
    if (wanted !== capacity) {
      const bytes = new Uint8Array(wanted);
      bytes.set(this.bytes.subarray(this.start, this.end));
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer);
    } else if (length > 0 && this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
    }
    this.start = 0;
    this.end = length;
    // Mostly nothing is left over, and making a view is not free.
    return length === 0 ? this.bytes : this.bytes.subarray(length);
  }

  /**
   * Takes what was read into the room that {@linkcode space} gave.
   *
   * @throws {RangeError} If the room was smaller.
   */
  commit(countBytes: number): void {
    const roomBytes = this.bytes.length - this.end;
    if (!(countBytes >= 0 && countBytes <= roomBytes)) {
      throw new RangeError(
        `Cannot commit ${countBytes} bytes to room for ${roomBytes}`,
      );
    }
    this.end += countBytes;
    this.#isBusy = countBytes === roomBytes;
  }

  #wantedCapacity(lengthBytes: number): number {
    const capacity = this.bytes.length;
    if (lengthBytes > this.maxBytes) {
      throw new RangeError(`Cannot read on after ${lengthBytes} unused bytes`);
    }
    if (
      lengthBytes > capacity / 2 || (this.#isBusy && capacity < BUSY_BYTES)
    ) {
      return Math.min(capacity * 2, this.maxBytes + BUSY_BYTES);
    }
    // What one huge request took must not stay taken.
    if (lengthBytes === 0 && capacity > BUSY_BYTES) return INITIAL_BYTES;
    return capacity;
  }
}
