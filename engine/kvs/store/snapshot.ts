/**
 * What a store held at one moment, beside the store.
 *
 * @module
 */

import type { EngineSnapshot, ScanPage, ScanRange } from "../../engine.ts";
import { ClosedError } from "../../errors.ts";
import { startWorker } from "../../start_worker.ts";
import { Log } from "../log/log.ts";
import { unpackPage } from "./pages.ts";
import { DAMAGED } from "../log/segment_table.ts";
import { Keydir } from "../index/keydir.ts";
import type { KvsHandle } from "./handle.ts";
import type {
  LogMoment,
  SnapshotOrder,
  SnapshotReply,
} from "./snapshot_worker.ts";

/** Each try takes milliseconds, and a compaction removes a segment in more. */
const MAX_TRIES = 1_000;

/**
 * A snapshot of an open store: the segments of its log up to their sizes at one
 * moment, held open, and an index of its own. Both are with a Worker, which
 * nobody else has to wait for.
 */
export class StoreSnapshot implements EngineSnapshot {
  readonly #worker: Worker;
  /** Who waits for answers, which come in order. */
  readonly #waiting: PromiseWithResolvers<SnapshotReply>[] = [];
  /** Why there are no more answers. */
  #end: { readonly reason: unknown } | undefined;

  private constructor(directory: string) {
    this.#worker = startWorker(
      new URL("./snapshot_worker.ts", import.meta.url),
      { name: "kvs-snapshot", readable: directory },
    );
    this.#worker.onmessage = ({ data }: MessageEvent<SnapshotReply>) =>
      this.#waiting.shift()?.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#finish(new Error(`Snapshot failed: ${event.message}`));
    };
  }

  /**
   * Takes a snapshot.
   *
   * @param handle The store.
   * @param signal Gives up when it aborts.
   * @returns The snapshot.
   * @throws {CorruptionError} If the log is not what was written.
   * @throws {Error} If the log can't be read.
   * @throws The reason of the signal, if it aborts.
   */
  static async open(
    handle: KvsHandle,
    signal?: AbortSignal,
  ): Promise<StoreSnapshot> {
    const snapshot = new StoreSnapshot(handle.directory);
    const abort = () => snapshot.#finish(signal?.reason);
    signal?.addEventListener("abort", abort);
    let log: Log | undefined;
    let index: Keydir | undefined;
    try {
      const attached = log = Log.attach(handle);
      const keys = index = Keydir.attach(handle.index, attached.holder.id);
      await snapshot.#load(
        handle.directory,
        keys.limitBytes,
        () => momentOf(attached, keys),
      );
      return snapshot;
    } catch (error) {
      snapshot.#finish(error);
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
      index?.detach();
      log?.detach();
    }
  }

  /** @inheritdoc */
  async scan(range: ScanRange): Promise<ScanPage> {
    const reply = await this.#ask({ kind: "scan", range: copied(range) });
    if (reply.kind !== "page") throw unexpected(reply);
    return unpackPage(reply.page);
  }

  /** @inheritdoc */
  // deno-lint-ignore require-await -- A method of an engine that may wait.
  async close(): Promise<void> {
    this.#finish(new ClosedError("Snapshot"));
  }

  /** Closes it at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #load(
    directory: string,
    indexBytes: number,
    now: () => LogMoment,
  ): Promise<void> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const moment = now();
      const reply = await this.#ask({
        kind: "load",
        directory,
        indexBytes,
        moment,
      });
      if (reply.kind === "loaded") return;
      if (reply.kind !== "gone") throw unexpected(reply);
    }
    throw new Error(
      "Cannot take a snapshot: segments are compacted faster than they can be opened",
    );
  }

  async #ask(order: SnapshotOrder): Promise<SnapshotReply> {
    if (this.#end !== undefined) throw this.#end.reason;
    const waiting = Promise.withResolvers<SnapshotReply>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(order);
    const reply = await waiting.promise;
    if (reply.kind === "failed") throw reply.error;
    return reply;
  }

  /** Ends the Worker, which has nothing that others would miss. */
  #finish(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#worker.terminate();
    for (const { reject } of this.#waiting) reject(reason);
    this.#waiting.length = 0;
  }
}

/** What the log is now: all that the index leads to, and nothing after it. */
function momentOf(log: Log, index: Keydir): LogMoment {
  // No lock in the Worker, which may be ended at any moment.
  return log.locked(() => ({
    segments: log.segments.list().map(({ id, sizeBytes, flags }) => ({
      id,
      sizeBytes,
      isDamaged: (flags & DAMAGED) !== 0,
    })),
    keys: index.size,
  }));
}

/** A range whose keys are not views: memory is posted whole. */
function copied({ prefix, start, end, after, ...rest }: ScanRange): ScanRange {
  return {
    ...rest,
    prefix: prefix?.slice(),
    start: start?.slice(),
    end: end?.slice(),
    after: after?.slice(),
  };
}

function unexpected({ kind }: SnapshotReply): TypeError {
  return new TypeError(`Unexpected answer from a snapshot: ${kind}`);
}
