/**
 * Arrays for many short runs of bytes.
 *
 * @module
 */

/** Runs share arrays of this length; longer ones get their own. */
const CHUNK_BYTES = 64 * 1024;

/**
 * Lends room in arrays that many runs of bytes share, since an array of its
 * own costs several times as much as a short run. An array lives as long as
 * any run in it, so this is for what is of use only for a while.
 */
export class BytePool {
  #chunk = new Uint8Array(0);
  #room = this.#chunk;

  /**
   * Gives room to write into.
   *
   * @param minBytes How many bytes there must be room for.
   * @returns The room; what of it is not taken is given out again.
   */
  room(minBytes: number): Uint8Array<ArrayBuffer> {
    if (minBytes > this.#chunk.length) {
      this.#chunk = new Uint8Array(Math.max(minBytes, CHUNK_BYTES));
    }
    this.#room = this.#chunk;
    return this.#room;
  }

  /**
   * Takes the beginning of the room that was given last.
   *
   * @param countBytes How many bytes were written.
   * @returns The bytes, which no later call touches.
   */
  take(countBytes: number): Uint8Array<ArrayBuffer> {
    this.#chunk = this.#room.subarray(countBytes);
    return this.#room.subarray(0, countBytes);
  }
}
