/**
 * A store in memory, for tests of what stands around a store.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type {
  CompactionReport,
  EngineHandle,
  EngineName,
  KvsEngine,
  MaybePromise,
  Write,
  WriteOutcome,
} from "../engine/engine.ts";

/** The methods that a test can make fail. */
export type FailingMethod = "getBytes" | "write" | "sync" | "compact";

/** Options of {@linkcode MemoryEngine}. */
export interface MemoryEngineOptions {
  /**
   * Whether every method answers with a promise, resolved in a later turn.
   *
   * @default {false}
   */
  readonly isAsync?: boolean;
}

// Maps each byte to another character, so that any bytes can be a Map's key.
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

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
      () => this.#values.get(latin1.decode(key))?.slice(),
      () => this.#lookups--,
    );
  }

  write(batch: readonly Write[]): MaybePromise<readonly WriteOutcome[]> {
    this.batchLengths.push(batch.length);
    return this.#answer("write", () =>
      batch.map(({ key, value }) => {
        const name = latin1.decode(key);
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
