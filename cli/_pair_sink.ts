import type { KvsEngine, Write } from "../engine/engine.ts";
import type { Target } from "./_target.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Where pairs are set, many at a time. */
export interface PairSink {
  /**
   * Sets pairs. It does not keep the arrays.
   *
   * @param pairs The pairs.
   * @throws {Error} If one that was added, now or before, could not be set.
   */
  add(pairs: readonly Write[]): Promise<void>;
  /** Waits until all are set for good. */
  finish(): Promise<void>;
}

/**
 * Opens the fast way into a store.
 *
 * @param target The store.
 * @returns The way in.
 */
export function sinkOf(target: Target): PairSink {
  return "scanPage" in target ? new ServerSink(target) : new EngineSink(target);
}

/** Sets pairs in a store that this process has open. */
class EngineSink implements PairSink {
  readonly #engine: Pick<KvsEngine, "write" | "sync">;
  #synced: Promise<unknown> = Promise.resolve();

  constructor(engine: Pick<KvsEngine, "write" | "sync">) {
    this.#engine = engine;
  }

  async add(pairs: readonly Write[]): Promise<void> {
    for (const outcome of await this.#engine.write(pairs)) {
      if (typeof outcome !== "boolean") throw outcome;
    }
    // The disk works on these while the next are being read.
    await this.#synced;
    this.#synced = Promise.resolve(this.#engine.sync());
    this.#synced.catch(() => {});
  }

  async finish(): Promise<void> {
    await this.#synced;
  }
}

/** Sets pairs through a server. */
class ServerSink implements PairSink {
  readonly #target: Pick<Target, "set">;
  #answered: Promise<unknown> = Promise.resolve();

  constructor(target: Pick<Target, "set">) {
    this.#target = target;
  }

  async add(pairs: readonly Write[]): Promise<void> {
    const sent = pairs.map(({ key, value }) =>
      this.#target.set(decoder.decode(key), decoder.decode(value))
    );
    // The server works on these while the next are being read.
    await this.#answered;
    this.#answered = Promise.all(sent);
    this.#answered.catch(() => {});
  }

  async finish(): Promise<void> {
    await this.#answered;
  }
}
