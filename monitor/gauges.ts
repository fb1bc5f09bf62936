/**
 * What the connections of all Workers use up together.
 *
 * @module
 */

const CONNECTIONS = 0;
const BUFFERS_KIB = 1;
const SNAPSHOTS = 2;
const MEMBER_WORDS = 3;

/**
 * Counts connections, the memory of their buffers, and their snapshots. Each
 * Worker counts its own, so that what one of them had is forgotten with it when
 * it dies.
 */
export class Gauges {
  readonly #words: Int32Array;
  readonly #at: number;

  /**
   * Counts for a Worker, from zero.
   *
   * @param buffer What {@linkcode Gauges.share} gave.
   * @param member The Worker's number, from 0.
   */
  constructor(buffer: SharedArrayBuffer, member: number) {
    this.#words = new Int32Array(buffer);
    this.#at = member * MEMBER_WORDS;
    Gauges.forget(buffer, member);
  }

  /**
   * Forgets what a Worker had that has died.
   *
   * @param buffer What {@linkcode Gauges.share} gave.
   * @param member The Worker's number, from 0.
   */
  static forget(buffer: SharedArrayBuffer, member: number): void {
    const words = new Int32Array(buffer);
    for (let i = 0; i < MEMBER_WORDS; i++) {
      Atomics.store(words, member * MEMBER_WORDS + i, 0);
    }
  }

  /**
   * Makes the memory that Workers count in.
   *
   * @param members How many they are.
   */
  static share(members: number): SharedArrayBuffer {
    return new SharedArrayBuffer(members * MEMBER_WORDS * 4);
  }

  /**
   * Tells what all Workers have together.
   *
   * @param buffer What {@linkcode Gauges.share} gave.
   */
  static read(
    buffer: SharedArrayBuffer,
  ): { readonly connections: number; readonly bufferBytes: number } {
    const words = new Int32Array(buffer);
    return {
      connections: sumOf(words, CONNECTIONS),
      bufferBytes: sumOf(words, BUFFERS_KIB) * 1024,
    };
  }

  /**
   * Counts connections of this Worker.
   *
   * @param count How many came, or with a minus went.
   * @returns How many there are of all Workers.
   */
  addConnections(count: number): number {
    return this.#add(CONNECTIONS, count);
  }

  /**
   * Counts memory of buffers of this Worker.
   *
   * @param bytes How much more it is, or with a minus less; whole kibibytes.
   * @returns How much it is of all Workers, in bytes.
   */
  addBufferBytes(bytes: number): number {
    return this.#add(BUFFERS_KIB, bytes / 1024) * 1024;
  }

  /**
   * Counts snapshots of this Worker's connections.
   *
   * @param count How many came, or with a minus went.
   * @returns How many there are of all Workers.
   */
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
