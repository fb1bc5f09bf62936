import type { KvsEngine, MaybePromise, Write } from "../../engine/engine.ts";
import { checkPairSize } from "../../protocol/request_limits.ts";
import type { PairBlock } from "./pair_block.ts";
import type { Target } from "../target.ts";

/** So many pairs at a time are objects, of which none lives for long. */
const PART_PAIRS = 4_096;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Where pairs are set, many at a time. */
export interface PairSink {
  /**
   * Sets pairs; of those of one key the last. It does not keep the bytes.
   *
   * @param pairs The pairs.
   * @throws {Error} If one that was added, now or before, could not be set.
   */
  add(pairs: PairBlock): Promise<void>;
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
  #syncing: Promise<void> | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(engine: Pick<KvsEngine, "write" | "sync">) {
    this.#engine = engine;
  }

  async add(pairs: PairBlock): Promise<void> {
    // In key order, the place in the index of one is near that of the last; and
    // who reads them in this order later finds them together in the log.
    const order = pairs.keyOrder();
    for (let from = 0; from < order.length; from += PART_PAIRS) {
      const part: Write[] = Array.from(
        order.subarray(from, from + PART_PAIRS),
        (place) => {
          const pair = pairs.at(place);
          checkPairSize(pair.key.length, pair.value.length);
          return pair;
        },
      );
      for (const outcome of await this.#engine.write(part)) {
        if (typeof outcome !== "boolean") throw outcome;
      }
    }
    // The disk works on these while the next are being read, and even longer:
    // the next sync takes in whatever has come meanwhile.
    this.#syncing ??= this.#sync();
    this.#throwFailure();
  }

  async finish(): Promise<void> {
    await this.#syncing;
    this.#throwFailure();
    await this.#engine.sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#engine.sync();
    } catch (reason) {
      this.#failure ??= { reason };
    }
    this.#syncing = undefined;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

/** Sets pairs through a server. */
class ServerSink implements PairSink {
  readonly #target: Pick<Target, "set">;
  #answered: Promise<unknown> = Promise.resolve();

  constructor(target: Pick<Target, "set">) {
    this.#target = target;
  }

  async add(pairs: PairBlock): Promise<void> {
    for (let from = 0; from < pairs.count; from += PART_PAIRS) {
      const sent: MaybePromise<void>[] = [];
      const to = Math.min(pairs.count, from + PART_PAIRS);
      for (let place = from; place < to; place++) {
        const { key, value } = pairs.at(place);
        sent.push(this.#target.set(decoder.decode(key), decoder.decode(value)));
      }
      // The server works on these while the next are being read.
      await this.#answered;
      this.#answered = Promise.all(sent);
      this.#answered.catch(() => {});
    }
  }

  async finish(): Promise<void> {
    await this.#answered;
  }
}
