/**
 * The descriptors that a Worker has opened by itself.
 *
 * @module
 */

import type { Libc } from "./libc.ts";

/** More descriptors than a process can have in practice. */
const MAX_DESCRIPTORS = 2 ** 24;

/**
 * Notes of descriptors, in shared memory. The runtime does not know of what a
 * Worker has opened by system calls of its own: should the Worker die, it would
 * stay open, and its clients would wait for ever. So somebody else closes it.
 */
export class Descriptors {
  /** A bit for each descriptor; committed as it is used. */
  readonly words: Int32Array<SharedArrayBuffer>;

  /** @param words The notes of a Worker; left out, new ones. */
  constructor(
    words: Int32Array<SharedArrayBuffer> = new Int32Array(
      new SharedArrayBuffer(MAX_DESCRIPTORS / 8),
    ),
  ) {
    this.words = words;
  }

  /** Notes a descriptor that was opened. */
  add(fd: number): void {
    Atomics.or(this.words, fd >>> 5, 1 << (fd & 31));
  }

  /** Strikes one out that is about to be closed. */
  delete(fd: number): void {
    Atomics.and(this.words, fd >>> 5, ~(1 << (fd & 31)));
  }

  /**
   * Closes what a Worker that is dead has left open.
   *
   * @param libc The system.
   */
  closeAll(libc: Libc): void {
    this.words.forEach((word, i) => {
      for (let bit = 0; word !== 0 && bit < 32; bit++) {
        if ((word & (1 << bit)) !== 0) libc.calls.close(i * 32 + bit);
      }
      if (word !== 0) this.words[i] = 0;
    });
  }
}
