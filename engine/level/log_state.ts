/**
 * What all Workers of a process know of LevelDB's log.
 *
 * @module
 */

const STATE = 0;
const LENGTH = 1;
const UNSYNCED = 2;
const WORDS = 3;

/** The longest reason that is kept, in bytes of UTF-8. */
const MAX_REASON_BYTES = 1024;

// States, each of which follows the one before.
const ACCEPTED = 0;
/** Somebody is putting the reason down. */
const REFUSED = 1;
const REASON_KNOWN = 2;

/**
 * Remembers the first write that failed, and whether there are writes that are
 * not synced.
 *
 * A record of which LevelDB could write only a part makes its reader lose all
 * later ones of the same log, and LevelDB appends to it all the same. So no
 * write may be acknowledged after one that failed until a new log was begun.
 */
export class LogState {
  readonly #words: Int32Array;
  readonly #reason: Uint8Array;

  /** @param buffer What {@linkcode LogState.buffer} is elsewhere. */
  constructor(
    readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(
      WORDS * Int32Array.BYTES_PER_ELEMENT + MAX_REASON_BYTES,
    ),
  ) {
    this.#words = new Int32Array(buffer, 0, WORDS);
    this.#reason = new Uint8Array(buffer, this.#words.byteLength);
  }

  /** Whether something has been written since the last sync began. */
  get isUnsynced(): boolean {
    return Atomics.load(this.#words, UNSYNCED) !== 0;
  }

  set isUnsynced(value: boolean) {
    Atomics.store(this.#words, UNSYNCED, value ? 1 : 0);
  }

  /** Why writes are refused; `undefined` while they are not. */
  get refusal(): string | undefined {
    const state = Atomics.load(this.#words, STATE);
    if (state === ACCEPTED) return undefined;
    if (state === REFUSED) return "one failed";
    // A copy, since text can't be decoded from shared memory.
    const reason = this.#reason.slice(0, Atomics.load(this.#words, LENGTH));
    return new TextDecoder().decode(reason);
  }

  /**
   * Refuses writes from now on.
   *
   * @param reason What failed, and why.
   * @returns Whether they were accepted before.
   */
  refuse(reason: string): boolean {
    const words = this.#words;
    const found = Atomics.compareExchange(words, STATE, ACCEPTED, REFUSED);
    if (found !== ACCEPTED) return false;
    const bytes = new Uint8Array(MAX_REASON_BYTES);
    const { written } = new TextEncoder().encodeInto(reason, bytes);
    this.#reason.set(bytes);
    Atomics.store(words, LENGTH, written);
    // Last: a thread that sees this state sees the whole reason.
    Atomics.store(words, STATE, REASON_KNOWN);
    return true;
  }
}
