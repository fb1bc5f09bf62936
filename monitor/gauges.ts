/**
 * What the connections of all Workers hold at present.
 *
 * @module
 */

const CONNECTIONS = 0;
const BUFFERS_KIB = 1;
const SNAPSHOTS = 2;
const MEMBER_WORDS = 3;

/**
 * Counts connections, the memory of their buffers, and their snapshots. Each
 * Worker has words of its own, which are cleared when it dies.
 */
export class Gauges {
  readonly #words: Int32Array;
  readonly #at: number;

  /** Counts for the Worker of a number, from zero. */
  constructor(buffer: SharedArrayBuffer, member: number) {
    this.#words = new Int32Array(buffer);
    this.#at = member * MEMBER_WORDS;
    Gauges.forget(buffer, member);
  }

  /** Clears what a Worker had that has died. */
  static forget(buffer: SharedArrayBuffer, member: number): void {
    const words = new Int32Array(buffer);
    for (let i = 0; i < MEMBER_WORDS; i++) {
      Atomics.store(words, member * MEMBER_WORDS + i, 0);
    }
  }

  /** Makes memory for this many Workers to count in. */
  static share(members: number): SharedArrayBuffer {
    return new SharedArrayBuffer(members * MEMBER_WORDS * 4);
  }

  /** The sums over all Workers. */
  static read(
    buffer: SharedArrayBuffer,
  ): { readonly connections: number; readonly bufferBytes: number } {
    const words = new Int32Array(buffer);
    return {
      connections: sumOf(words, CONNECTIONS),
      bufferBytes: sumOf(words, BUFFERS_KIB) * 1024,
    };
  }

  /** Adds connections of this Worker, and returns the sum over all. */
  addConnections(count: number): number {
    return this.#add(CONNECTIONS, count);
  }

  /** Adds whole kibibytes of buffers, and returns the sum over all Workers. */
  addBufferBytes(bytes: number): number {
    return this.#add(BUFFERS_KIB, bytes / 1024) * 1024;
  }

  /** Adds snapshots of this Worker, and returns the sum over all. */
  addSnapshots(count: number): number {
    return this.#add(SNAPSHOTS, count);
  }

  #add(what: number, count: number): number {
    const words = this.#words;
    // Before the sum is taken: of two Workers that add at the same time, at
    // least the later one sees both.
    Atomics.add(words, this.#at + what, count);
    return sumOf(words, what);
  }
}

function sumOf(words: Int32Array, what: number): number {
  let sum = 0;
  for (let at = what; at < words.length; at += MEMBER_WORDS) {
    sum += Atomics.load(words, at);
  }
  return sum;
}
