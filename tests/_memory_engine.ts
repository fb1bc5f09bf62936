/**
 * A store in memory, for tests of what stands around a store.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type {
  CompactionReport,
  EngineHandle,
  EngineName,
  KvsEngine,
  MaybePromise,
  ScanPage,
  ScanRange,
  StoreStats,
  Write,
  WriteOutcome,
} from "../engine/engine.ts";
import { boundsOf } from "../engine/scan.ts";

/** The methods that a test can make fail. */
export type FailingMethod = "getBytes" | "scan" | "write" | "sync" | "compact";

/** Options of {@linkcode MemoryEngine}. */
export interface MemoryEngineOptions {
  /**
   * Whether every method answers with a promise, resolved in a later turn.
   *
   * @default {false}
   */
  readonly isAsync?: boolean;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Any bytes as a Map's key: of one character for each byte, in their order. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

/** An engine that forgets everything, notes its calls and fails on demand. */
export class MemoryEngine implements KvsEngine {
  readonly name: EngineName = "kvs";
  /** How many writes each call of {@linkcode write} brought, in order. */
  readonly batchLengths: number[] = [];
  /** How many times {@linkcode sync} was called. */
  syncCount = 0;
  /** How many lookups were under way together at most. */
  maxLookups = 0;
  readonly #values = new Map<string, Uint8Array>();
  readonly #failures = new Map<FailingMethod, Error[]>();
  readonly #isAsync: boolean;
  #lookups = 0;

  /**
   * Makes an empty store.
   *
   * @param options Whether it is asynchronous.
   */
  constructor({ isAsync = false }: MemoryEngineOptions = {}) {
    this.#isAsync = isAsync;
  }

  /** Does nothing: there is nothing to be closed. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** How many keys the store holds. */
  get size(): number {
    return this.#values.size;
  }

  /**
   * Makes the next call of a method fail that has no failure waiting yet.
   *
   * @param method The method.
   * @param error What it throws, or rejects with.
   */
  failNext(method: FailingMethod, error: Error): void {
    const failures = this.#failures.get(method) ?? [];
    failures.push(error);
    this.#failures.set(method, failures);
  }

  get(key: string): MaybePromise<string | undefined> {
    const value = this.getBytes(encoder.encode(key));
    const text = (value: Uint8Array | undefined) => value && utf8.decode(value);
    return value instanceof Promise ? value.then(text) : text(value);
  }

  set(key: string, value: string): MaybePromise<void> {
    const outcomes = this.write([
      { key: encoder.encode(key), value: encoder.encode(value) },
    ]);
    if (outcomes instanceof Promise) return outcomes.then(() => this.sync());
    return this.sync();
  }

  remove(key: string): MaybePromise<boolean> {
    const outcomes = this.write([
      { key: encoder.encode(key), value: undefined },
    ]);
    const found = (outcomes: readonly WriteOutcome[]) => outcomes[0] === true;
    return outcomes instanceof Promise ? outcomes.then(found) : found(outcomes);
  }

  getBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    this.#lookups++;
    this.maxLookups = Math.max(this.maxLookups, this.#lookups);
    return this.#answer(
      "getBytes",
      () => this.#values.get(nameOf(key))?.slice(),
      () => this.#lookups--,
    );
  }

  viewBytes(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    return this.getBytes(key);
  }

  scan(range: ScanRange): MaybePromise<ScanPage> {
    const { start, end, reverse, keysOnly, limit, maxBytes } = boundsOf(range);
    return this.#answer("scan", () => {
      const least = start && nameOf(start);
      const beyond = end && nameOf(end);
      const names = [...this.#values.keys()].filter((name) =>
        (least === undefined || name >= least) &&
        (beyond === undefined || name < beyond)
      ).sort();
      if (reverse) names.reverse();
      const entries = [];
      let bytes = 0;
      for (const name of names) {
        const value = keysOnly ? undefined : this.#values.get(name)!.slice();
        bytes += name.length + (value?.length ?? 0);
        const isFull = entries.length > 0 && bytes > maxBytes;
        if (isFull || entries.length >= limit) return { entries, more: true };
        const key = Uint8Array.from(Buffer.from(name, "latin1"));
        entries.push({ key, value });
      }
      return { entries, more: false };
    });
  }

  write(batch: readonly Write[]): MaybePromise<readonly WriteOutcome[]> {
    this.batchLengths.push(batch.length);
    return this.#answer("write", () =>
      batch.map(({ key, value }) => {
        const name = nameOf(key);
        if (value === undefined) return this.#values.delete(name);
        this.#values.set(name, value.slice());
        return true;
      }));
  }

  sync(): MaybePromise<void> {
    this.syncCount++;
    return this.#answer("sync", () => {});
  }

  async compact(): Promise<CompactionReport> {
    return await this.#answer("compact", () => {
      let bytes = 0;
      for (const [key, value] of this.#values) {
        bytes += key.length + value.length;
      }
      return { bytesBefore: 2 * bytes, bytesAfter: bytes };
    });
  }

  stats(): StoreStats {
    return { engine: this.name, sync: "no", diskBytes: 0, keys: this.size };
  }

  share(): EngineHandle {
    throw new Error("Cannot share a store that lives in one thread's memory");
  }

  close(): MaybePromise<void> {}

  /** Fails or runs the body, late where the store is asynchronous. */
  #answer<T>(
    method: FailingMethod,
    body: () => T,
    onDone?: () => void,
  ): MaybePromise<T> {
    const run = () => {
      onDone?.();
      const failure = this.#failures.get(method)?.shift();
      if (failure !== undefined) throw failure;
      return body();
    };
    if (!this.#isAsync) return run();
    return new Promise<void>((resolve) => setImmediate(resolve)).then(run);
  }
}
