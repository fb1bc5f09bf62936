/**
 * A Worker of the job pools, whose engine does what keys tell it to.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type {
  CompactionReport,
  EngineHandle,
  KvsEngine,
  MaybePromise,
  ScanPage,
  ScanRange,
  StoreStats,
  Write,
  WriteOutcome,
} from "../../engine/engine.ts";
import { attachEngine } from "../../engine/open.ts";
import { type JobWorkerTask, runJobs } from "../../pool/job_loop.ts";
import {
  COMPACTING,
  MEETING,
  RELEASED,
  SYNCS,
  type UnrulyHandle,
} from "./_unruly.ts";

// Its deaths are reported by the runtime, and ought to be one line each.
Error.stackTraceLimit = 0;

/** For how long a Worker waits for the others or for the test. */
const PATIENCE_MS = 60_000;

const decoder = new TextDecoder();

class UnrulyEngine implements KvsEngine {
  readonly name;
  readonly #engine: KvsEngine;
  readonly #words: Int32Array;
  #isClosed = false;

  constructor(engine: KvsEngine, words: Int32Array) {
    this.name = engine.name;
    this.#engine = engine;
    this.#words = words;
  }

  getBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    const [verb, number] = decoder.decode(key).split(" ");
    switch (verb) {
      case "count":
        Atomics.add(this.#words, Number(number), 1);
        return undefined;
      case "throw":
        throw new Error("Thrown");
      case "poison":
        // No engine may return this: what makes an answer of it throws.
        return null as never;
      case "die":
        setTimeout(() => {
          throw new Error("Died");
        }, 0);
        return new Promise(() => {});
      case "timer":
        setTimeout(() => Atomics.add(this.#words, Number(number), 1), 20);
        return undefined;
      case "meet":
        this.#meet(Number(number));
        return undefined;
      case "large":
        return new Uint8Array(Number(number)).fill(0x76);
      default:
        return this.#engine.getBytes(key);
    }
  }

  viewBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    return this.getBytes(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Returns once so many threads are here at the same time. */
  #meet(threads: number): void {
    const words = this.#words;
    let met = Atomics.add(words, MEETING, 1) + 1;
    Atomics.notify(words, MEETING);
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (met < threads) {
      if (performance.now() > deadlineMs) throw new Error(`${met} came`);
      Atomics.wait(words, MEETING, met, 100);
      met = Atomics.load(words, MEETING);
    }
  }

  scan(range: ScanRange): MaybePromise<ScanPage> {
    return this.#engine.scan(range);
  }

  write(batch: readonly Write[]): MaybePromise<readonly WriteOutcome[]> {
    return this.#engine.write(batch);
  }

  sync(): MaybePromise<void> {
    return this.#engine.sync();
  }

  async compact(): Promise<CompactionReport> {
    const words = this.#words;
    Atomics.store(words, COMPACTING, 1);
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (Atomics.load(words, RELEASED) === 0) {
      if (this.#isClosed) throw new Error("Cut short");
      if (performance.now() > deadlineMs) throw new Error("Not released");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { bytesBefore: 2, bytesAfter: 1 };
  }

  get(key: string): MaybePromise<string | undefined> {
    return this.#engine.get(key);
  }

  set(key: string, value: string): MaybePromise<void> {
    return this.#engine.set(key, value);
  }

  remove(key: string): MaybePromise<boolean> {
    return this.#engine.remove(key);
  }

  stats(): MaybePromise<StoreStats> {
    return this.#engine.stats();
  }

  share(): EngineHandle {
    return this.#engine.share();
  }

  close(): MaybePromise<void> {
    this.#isClosed = true;
    return this.#engine.close();
  }
}

/** Counts the syncs of this thread, each of which takes so long at least. */
function slowSyncs(words: Int32Array, delayMs: number): void {
  const { syncData } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.syncData = async function () {
    Atomics.add(words, SYNCS, 1);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await syncData.call(this);
  };
}

self.onmessage = ({ data }: MessageEvent<JobWorkerTask>) => {
  const { buffer, syncDelayMs } = data.engine as UnrulyHandle;
  const words = new Int32Array(buffer);
  if (syncDelayMs > 0) slowSyncs(words, syncDelayMs);
  return runJobs(
    data,
    async (handle, onFailure) =>
      new UnrulyEngine(await attachEngine(handle, onFailure), words),
  );
};
