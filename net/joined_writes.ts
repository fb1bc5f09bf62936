/**
 * Writing for many connections at once.
 *
 * @module
 */

import type { KvsEngine, Write, WriteOutcome } from "../engine/engine.ts";

/** So many writes are not kept waiting for more. */
const MAX_WRITES = 1024;

/** One caller's part of what waits. */
interface Part {
  readonly start: number;
  readonly end: number;
  readonly resolve: (outcomes: readonly WriteOutcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Joins the writes of all connections that are served in one turn: the log is
 * appended to once for them, as one client that pipelines would have it.
 */
export class JoinedWrites implements Pick<KvsEngine, "write"> {
  readonly #engine: Pick<KvsEngine, "write">;
  #writes: Write[] = [];
  #parts: Part[] = [];

  /** @param engine Takes the writes. */
  constructor(engine: Pick<KvsEngine, "write">) {
    this.#engine = engine;
  }

  /** @inheritdoc */
  write(writes: readonly Write[]): Promise<readonly WriteOutcome[]> {
    const { promise, resolve, reject } = Promise.withResolvers<
      readonly WriteOutcome[]
    >();
    const start = this.#writes.length;
    for (const write of writes) this.#writes.push(write);
    const end = this.#writes.length;
    this.#parts.push({ start, end, resolve, reject });
    // Runs once all connections that have something to write have said so.
    if (this.#parts.length === 1) queueMicrotask(() => this.#flush());
    if (end >= MAX_WRITES) this.#flush();
    return promise;
  }

  async #flush(): Promise<void> {
    const writes = this.#writes;
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#writes = [];
    this.#parts = [];
    try {
      const written = this.#engine.write(writes);
      const outcomes = written instanceof Promise ? await written : written;
      if (outcomes.length !== writes.length) {
        // Any other number would give callers the outcomes of others.
        throw new Error(
          `Engine answered ${outcomes.length} of ${writes.length} writes`,
        );
      }
      for (const { start, end, resolve } of parts) {
        resolve(outcomes.slice(start, end));
      }
    } catch (error) {
      for (const { reject } of parts) reject(error);
    }
  }
}
