/**
 * Jobs in shared memory: batches of requests on their way to a Worker, and
 * their answers on the way back.
 *
 * @module
 */

import { EVENT_COUNT_WORDS, EventCount } from "../engine/sync/event_count.ts";

/** The most batches on their way at once; a power of two, for the deques. */
export const SLOTS = 256;

/** What a slot holds of a batch or of its answers at a time, in bytes. */
const PIECE_BYTES = 32 * 1024;

// A slot's words.
const STATE = 0;
const LENGTH = 1;
const IS_LAST = 2;
const CONSUMED = 3;
const IS_BROKEN = 4;
const OWNER = 5;
const BATCH_BYTES = 6;
const HAS_BEGUN = 7;
const HAS_SNAPSHOT = 8;
const SLOT_WORDS = 16;

// Where a slot stands. The main thread touches its other words and its bytes
// in FREE, WANTS_INPUT and OUTPUT, the Worker in INPUT and RESUME.
const FREE = 0;
/** A piece of the batch is there. */
const INPUT = 1;
/** The Worker has taken the piece and waits for the next. */
const WANTS_INPUT = 2;
/** A piece of the answers is there. */
const OUTPUT = 3;
/** The main thread has taken the piece; the Worker goes on. */
const RESUME = 4;

/** How long a Worker sleeps at a time until the main thread's next step. */
const SLEEP_MS = 1_000;

const SUBMITTED = 0;
const PROGRESSED = SUBMITTED + EVENT_COUNT_WORDS;
const STOPPING = PROGRESSED + EVENT_COUNT_WORDS;
const FIRST_SLOT = 16;
const BYTES_AT = (FIRST_SLOT + SLOTS * SLOT_WORDS) * 4;

/** What a batch is part of. */
export interface JobContext {
  /** Whether the connection has begun with an object before the batch. */
  readonly hasBegun: boolean;
  /** Whether scans are the connection's, which has a snapshot. */
  readonly hasSnapshot: boolean;
}

/** What became of a batch. */
export interface JobResult {
  /** How many of the batch's bytes were answered; the rest comes again. */
  readonly consumedBytes: number;
  /** Whether the connection is to be closed. */
  readonly isBroken: boolean;
}

const WHOLE_CONNECTION: JobContext = { hasBegun: true, hasSnapshot: false };

/**
 * Slots in shared memory, each for one batch on its way. A batch of any size
 * goes through a slot in pieces, and so do its answers; a small one, as nearly
 * all are, takes one step there and one back.
 */
export class JobSlots {
  readonly buffer: SharedArrayBuffer;
  /** Announced when a job was queued. */
  readonly submitted: EventCount;
  /** Announced when a slot wants the main thread. */
  readonly progressed: EventCount;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, BYTES_AT / 4);
    this.#bytes = new Uint8Array(buffer, BYTES_AT);
    this.submitted = new EventCount(this.#words, SUBMITTED);
    this.progressed = new EventCount(this.#words, PROGRESSED);
  }

  /** Makes the slots; memory is committed at first use. */
  static create(): JobSlots {
    return new JobSlots(new SharedArrayBuffer(BYTES_AT + SLOTS * PIECE_BYTES));
  }

  /** Attaches a Worker to slots that the main thread made. */
  static attach(buffer: SharedArrayBuffer): JobSlots {
    return new JobSlots(buffer);
  }

  /** Whether Workers are to end once nothing is queued. */
  get isStopping(): boolean {
    return Atomics.load(this.#words, STOPPING) !== 0;
  }

  /** Tells all Workers to end once nothing is queued. */
  stop(): void {
    Atomics.store(this.#words, STOPPING, 1);
    this.submitted.announce();
  }

  /** The Worker that has a slot's job, or -1. */
  ownerOf(slot: number): number {
    return Atomics.load(this.#words, this.#at(slot) + OWNER) - 1;
  }

  /** Notes the Worker that has a slot's job: if it dies, the job fails. */
  assign(slot: number, worker: number): void {
    Atomics.store(this.#words, this.#at(slot) + OWNER, worker + 1);
  }

  /**
   * Puts the first piece of a batch into a free slot, and returns its length.
   * Main thread.
   */
  begin(
    slot: number,
    batch: Uint8Array,
    { hasBegun, hasSnapshot }: JobContext = WHOLE_CONNECTION,
  ): number {
    const at = this.#at(slot);
    Atomics.store(this.#words, at + OWNER, 0);
    this.#words[at + BATCH_BYTES] = batch.length;
    this.#words[at + HAS_BEGUN] = hasBegun ? 1 : 0;
    this.#words[at + HAS_SNAPSHOT] = hasSnapshot ? 1 : 0;
    return this.#putPiece(slot, batch, 0, INPUT);
  }

  /**
   * Does what a slot wants of the main thread: sends the next piece of its
   * batch, or takes a piece of the answers, which is valid only during the
   * call. Returns how many bytes of the batch are sent now, or the result once
   * all answers have come, and then the slot is free.
   */
  advance(
    slot: number,
    batch: Uint8Array,
    sentBytes: number,
    onAnswers: (piece: Uint8Array) => void,
  ): number | JobResult {
    const words = this.#words;
    const at = this.#at(slot);
    // Acquires the slot's words and bytes from the Worker.
    const state = Atomics.load(words, at + STATE);
    if (state === WANTS_INPUT) {
      const sent = this.#putPiece(slot, batch, sentBytes, INPUT);
      Atomics.notify(words, at + STATE);
      return sent;
    }
    if (state !== OUTPUT) return sentBytes;
    const from = slot * PIECE_BYTES;
    onAnswers(this.#bytes.subarray(from, from + words[at + LENGTH]));
    if (words[at + IS_LAST] !== 1) {
      Atomics.store(words, at + STATE, RESUME);
      Atomics.notify(words, at + STATE);
      return sentBytes;
    }
    Atomics.store(words, at + STATE, FREE);
    return {
      consumedBytes: words[at + CONSUMED],
      isBroken: words[at + IS_BROKEN] === 1,
    };
  }

  /** Frees the slot of a job whose Worker has died. Main thread. */
  abandon(slot: number): void {
    Atomics.store(this.#words, this.#at(slot) + STATE, FREE);
  }

  /** What the batch in a slot is part of. Worker. */
  contextOf(slot: number): JobContext {
    const at = this.#at(slot);
    return {
      hasBegun: this.#words[at + HAS_BEGUN] === 1,
      hasSnapshot: this.#words[at + HAS_SNAPSHOT] === 1,
    };
  }

  /**
   * Takes a whole batch out of its slot, into room for its length, which it
   * returns. Worker.
   */
  take(slot: number, roomFor: (batchBytes: number) => Uint8Array): number {
    const words = this.#words;
    const at = this.#at(slot);
    const batchBytes = words[at + BATCH_BYTES];
    const room = roomFor(batchBytes);
    const from = slot * PIECE_BYTES;
    for (let taken = 0;;) {
      const length = words[at + LENGTH];
      room.set(this.#bytes.subarray(from, from + length), taken);
      taken += length;
      if (taken === batchBytes) return batchBytes;
      this.#step(slot, WANTS_INPUT);
    }
  }

  /** Sends answers and result of a job back through its slot. Worker. */
  finish(
    slot: number,
    { answers, consumedBytes, isBroken }: JobResult & {
      readonly answers: Uint8Array;
    },
  ): void {
    const words = this.#words;
    const at = this.#at(slot);
    words[at + CONSUMED] = consumedBytes;
    words[at + IS_BROKEN] = isBroken ? 1 : 0;
    for (let sent = 0;;) {
      sent = this.#putPiece(slot, answers, sent, undefined);
      if (sent === answers.length) break;
      this.#step(slot, OUTPUT);
    }
    Atomics.store(words, at + STATE, OUTPUT);
    this.progressed.announce();
  }

  /**
   * Hands the slot to the main thread and blocks until it comes back. It does:
   * the main thread waits for nobody before it takes the next step.
   */
  #step(slot: number, state: number): void {
    const words = this.#words;
    const at = this.#at(slot) + STATE;
    Atomics.store(words, at, state);
    this.progressed.announce();
    while (Atomics.load(words, at) === state) {
      Atomics.wait(words, at, state, SLEEP_MS);
    }
  }

  #putPiece(
    slot: number,
    bytes: Uint8Array,
    from: number,
    state: number | undefined,
  ): number {
    const words = this.#words;
    const at = this.#at(slot);
    const to = Math.min(bytes.length, from + PIECE_BYTES);
    this.#bytes.set(bytes.subarray(from, to), slot * PIECE_BYTES);
    words[at + LENGTH] = to - from;
    words[at + IS_LAST] = to === bytes.length ? 1 : 0;
    // Releases the slot's words and bytes to the other side.
    if (state !== undefined) Atomics.store(words, at + STATE, state);
    return to;
  }

  #at(slot: number): number {
    return FIRST_SLOT + slot * SLOT_WORDS;
  }
}
