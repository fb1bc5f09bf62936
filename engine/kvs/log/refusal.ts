/**
 * Remembering the failure after which a log takes no more writes.
 *
 * @module
 */

import { asError, WritesRefusedError } from "../../errors.ts";

// Words of shared memory.
const STATE = 0;
const SYNC_FAILED = 1;
/** UTF-8, up to its first zero byte. */
const REASON = 2;
const REASON_WORDS = 64;

/** Words of shared memory that a {@linkcode Refusal} takes. */
export const REFUSAL_WORDS = REASON + REASON_WORDS;

// Values of STATE.
const ACCEPTING = 0;
/** A thread is writing the reason. */
const REFUSING = 1;
const REFUSED = 2;

/**
 * Whether all instances of a store refuse writes, and why. It holds until the
 * store is opened anew: what memory says of the files is in doubt.
 */
export class Refusal {
  readonly #words: Uint32Array;
  readonly #at: number;

  /**
   * @param words Shared memory.
   * @param at The first of its {@linkcode REFUSAL_WORDS} words, at first zero.
   */
  constructor(words: Uint32Array, at: number) {
    this.#words = words;
    this.#at = at;
  }

  /** Whether writes are refused. */
  get isSet(): boolean {
    return Atomics.load(this.#words, this.#at + STATE) !== ACCEPTING;
  }

  /** Whether a sync failed: no later one can be believed. */
  get hasFailedSync(): boolean {
    return Atomics.load(this.#words, this.#at + SYNC_FAILED) !== 0;
  }

  /** Why writes are refused; `undefined` while they are not. */
  get reason(): string | undefined {
    const state = Atomics.load(this.#words, this.#at + STATE);
    if (state === ACCEPTING) return undefined;
    if (state === REFUSING) return "a write failed";
    const bytes = this.#reasonBytes.slice();
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  /**
   * Lets every instance refuse writes.
   *
   * @param reason Why; the first one counts.
   */
  refuse(reason: string): void {
    const words = this.#words;
    const at = this.#at + STATE;
    const found = Atomics.compareExchange(words, at, ACCEPTING, REFUSING);
    if (found !== ACCEPTING) return;
    const room = new Uint8Array(REASON_WORDS * 4);
    new TextEncoder().encodeInto(reason, room.subarray(0, -1));
    this.#reasonBytes.set(room);
    Atomics.store(words, at, REFUSED);
  }

  /**
   * Refuses writes because of a failed sync. It must not be tried again: the
   * kernel may have dropped the pages, and a second one would say that all is
   * well (Rebello et al. 2020).
   *
   * @param path What could not be synced.
   * @param error What the sync threw.
   * @returns The same error, to be thrown.
   */
  syncFailed(path: string, error: unknown): unknown {
    Atomics.store(this.#words, this.#at + SYNC_FAILED, 1);
    this.refuse(`sync of "${path}" failed: ${asError(error).message}`);
    return error;
  }

  /**
   * Checks that writes are not refused.
   *
   * @throws {WritesRefusedError} If they are.
   */
  assertUnset(): void {
    if (this.isSet) throw new WritesRefusedError(this.reason!);
  }

  get #reasonBytes(): Uint8Array {
    const { buffer, byteOffset } = this.#words;
    const start = byteOffset + (this.#at + REASON) * 4;
    return new Uint8Array(buffer, start, REASON_WORDS * 4);
  }
}
