/**
 * Writes on their way to the engine.
 *
 * @module
 */

import type {
  KvsEngine,
  MaybePromise,
  Write,
  WriteOutcome,
} from "../engine/engine.ts";

/** The most writes that go to the engine together. */
const MAX_GROUP_WRITES = 1024;
/** About how many bytes of keys and values they have at most. */
const MAX_GROUP_BYTES = 1024 * 1024;

/** Whom the outcomes of writes are given to. */
export interface Writer {
  /** Takes the outcomes of its writes, those from a place to another. */
  answerWrites(
    outcomes: readonly WriteOutcome[],
    from: number,
    to: number,
  ): void;
  /** Takes the error with which so many of its writes failed. */
  failWrites(error: unknown, count: number): void;
}

/**
 * Gathers writes into groups for the engine. Joined groups wait for all
 * writers that run in the same turn of the event loop: the log is appended to
 * once for all of them.
 */
export class WriteQueue {
  readonly #engine: Pick<KvsEngine, "write">;
  readonly #isJoined: boolean;
  #group = new WriteGroup();

  constructor(
    engine: Pick<KvsEngine, "write">,
    { isJoined }: { readonly isJoined: boolean },
  ) {
    this.#engine = engine;
    this.#isJoined = isJoined;
  }

  /** The writes that are not with the engine yet. */
  get group(): WriteGroup {
    return this.#group;
  }

  /** Waits until a group is written; it may be with the engine already. */
  settle(group: WriteGroup): MaybePromise<void> {
    if (group !== this.#group) return group.pending;
    if (!this.#isJoined) return this.flush();
    if (group.written === undefined) {
      group.written = Promise.withResolvers();
      // Runs after all writers that were ready have added their writes.
      queueMicrotask(() => {
        if (this.#group === group) this.flush();
      });
    }
    return group.written.promise;
  }

  /** Gives the present group to the engine. */
  flush(): MaybePromise<void> {
    const group = this.#group;
    this.#group = new WriteGroup();
    let outcomes: MaybePromise<readonly WriteOutcome[]>;
    try {
      outcomes = this.#engine.write(group.writes);
    } catch (error) {
      return group.fail(error);
    }
    if (!(outcomes instanceof Promise)) return group.answer(outcomes);
    return group.pending = outcomes.then(
      (outcomes) => group.answer(outcomes),
      (error) => group.fail(error),
    );
  }
}

/** Writes that go to the engine together, of one writer or of several. */
export class WriteGroup {
  readonly writes: Write[] = [];
  /** Resolves once they are written, while others may join them. */
  written: PromiseWithResolvers<void> | undefined;
  /** Resolves once they are written, while the engine works on them. */
  pending: Promise<void> | undefined;
  #bytes = 0;
  /** The writers of the writes from each of the starts on. */
  readonly #writers: Writer[] = [];
  readonly #starts: number[] = [];

  /** Adds a write; returns whether the group is full. */
  add(writer: Writer, write: Write): boolean {
    const { writes } = this;
    if (this.#writers[this.#writers.length - 1] !== writer) {
      this.#writers.push(writer);
      this.#starts.push(writes.length);
    }
    writes.push(write);
    this.#bytes += write.key.length + (write.value?.length ?? 0);
    return writes.length >= MAX_GROUP_WRITES || this.#bytes >= MAX_GROUP_BYTES;
  }

  /** Answers all writes with what became of them. */
  answer(outcomes: readonly WriteOutcome[]): void {
    const count = this.writes.length;
    if (outcomes.length !== count) {
      // Any other number would give clients the answers of others.
      const found = `${outcomes.length} of ${count} writes`;
      return this.fail(new Error(`Engine answered ${found}`));
    }
    this.#forEach((writer, from, to) =>
      writer.answerWrites(outcomes, from, to)
    );
  }

  /** Answers all writes with an error. */
  fail(error: unknown): void {
    this.#forEach((writer, from, to) => writer.failWrites(error, to - from));
  }

  #forEach(answer: (writer: Writer, from: number, to: number) => void): void {
    const starts = this.#starts;
    this.#writers.forEach((writer, i) =>
      answer(writer, starts[i], starts[i + 1] ?? this.writes.length)
    );
    this.written?.resolve();
  }
}
