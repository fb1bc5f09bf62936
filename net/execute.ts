/**
 * Runs requests against an engine.
 *
 * @module
 */

import type {
  KvsEngine,
  MaybePromise,
  Write,
  WriteOutcome,
} from "../engine/engine.ts";
import type { BatchCounts } from "../monitor/counters.ts";
import type { Monitor } from "../monitor/monitor.ts";
import { KEY_NOT_FOUND } from "../protocol/answer.ts";
import type { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
import type { ProtocolError } from "../protocol/protocol_error.ts";
import type { KvsRequest } from "../protocol/request.ts";
import type { RequestBuffer } from "../protocol/json/request_buffer.ts";
import {
  answerScan,
  answerSnapshot,
  messageOf,
  type SnapshotScope,
} from "./snapshot_scope.ts";

/** Writes that go to the engine together are at most so many… */
const MAX_STAGED_WRITES = 1024;
/** …and take little more than this. */
const MAX_STAGED_BYTES = 1024 * 1024;

/**
 * Lookups that an asynchronous engine works on at the same time; few, since
 * all of their values are held until the last is there.
 */
const MAX_PENDING_LOOKUPS = 16;

/** What a compaction costs, in entries of pages: the second ends a batch. */
const COMPACTION_COST = 5_000;

/**
 * Runs all requests that are whole, in order, as one batch: neighbouring
 * writes go to the engine together, and one sync makes all of them durable.
 *
 * The answers may leave once this returns or its promise resolves, not before.
 * Until then the buffers must be left alone. Of a synchronous engine's batch
 * no promise is made.
 *
 * @param engine The engine.
 * @param requests Where the requests come from.
 * @param answers Where their answers go, behind what is already there; the
 * batch ends once it is full.
 * @param monitor Counts the requests of the batch once it has ended, and tells
 * of the server.
 * @param writer Takes the writes, where the engine is not to itself.
 * @param scope Where the snapshot of the connection is; without one requests
 * for it are refused.
 * @returns Whether to call again once the answers have left, since the batch
 * ended early and there may be more whole requests.
 *
 * @example
 * ```ts
 * import { KvStore } from "@kvs/kvs";
 * import { Monitor, shareMonitor } from "../monitor/monitor.ts";
 * import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
 * import { execute } from "./execute.ts";
 * import { RequestBuffer } from "../protocol/json/request_buffer.ts";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * const requests = new RequestBuffer();
 * const lines = '{"Set":{"key":"k","value":"v"}}\n{"Get":{"key":"k"}}\n';
 * requests.commit(
 *   new TextEncoder().encodeInto(lines, requests.space()).written,
 * );
 * const answers = new AnswerBuffer();
 * const monitor = new Monitor(shareMonitor("reuse-port", 1), 0);
 * let sent = "";
 * for (let more = true; more;) {
 *   more = await execute(store, requests, answers, monitor);
 *   sent += new TextDecoder().decode(answers.bytes());
 *   answers.clear();
 * }
 * assertEquals(sent, '{"Ok":null}\n{"Ok":"v"}\n');
 * ```
 */
export function execute(
  engine: KvsEngine,
  requests: RequestBuffer,
  answers: AnswerBuffer,
  monitor: Monitor,
  writer: Pick<KvsEngine, "write"> = engine,
  scope?: SnapshotScope,
): MaybePromise<boolean> {
  const batch = new Batch(engine, answers, monitor, writer, scope);
  for (;;) {
    const request = batch.isFull ? undefined : requests.next();
    if (request === undefined) return batch.finish();
    const pending = batch.run(request);
    if (pending instanceof Promise) return goOn(batch, requests, pending);
  }
}

/** Goes on with a batch for which the engine has to be waited. */
async function goOn(
  batch: Batch,
  requests: RequestBuffer,
  pending: Promise<void>,
): Promise<boolean> {
  await pending;
  for (;;) {
    const request = batch.isFull ? undefined : requests.next();
    if (request === undefined) return await batch.finish();
    await batch.run(request);
  }
}

/**
 * One batch on its way. Two queues wait for company, writes that are not with
 * the engine yet and lookups that it works on; one of them is always empty,
 * or answers would leave in another order than their requests came.
 */
class Batch implements BatchCounts {
  gets = 0;
  sets = 0;
  removes = 0;
  readonly #engine: KvsEngine;
  readonly #writer: Pick<KvsEngine, "write">;
  readonly #answers: AnswerBuffer;
  readonly #monitor: Monitor;
  readonly #scope: SnapshotScope | undefined;
  readonly #beganMs: number;
  /** Errors that are not this batch's, or are none. */
  #otherErrors: number;
  readonly #writes: Write[] = [];
  #writesBytes = 0;
  readonly #lookups: Promise<Uint8Array | undefined>[] = [];
  /** Where the answers to writes stand, in case the sync fails. */
  readonly #answerRuns: number[] = [];

  constructor(
    engine: KvsEngine,
    answers: AnswerBuffer,
    monitor: Monitor,
    writer: Pick<KvsEngine, "write">,
    scope: SnapshotScope | undefined,
  ) {
    this.#scope = scope;
    this.#engine = engine;
    this.#writer = writer;
    this.#answers = answers;
    this.#monitor = monitor;
    this.#otherErrors = answers.errors;
    this.#beganMs = monitor.counters.begin();
  }

  get errors(): number {
    return this.#answers.errors - this.#otherErrors;
  }

  get isFull(): boolean {
    return this.#answers.isFull;
  }

  run(request: KvsRequest | ProtocolError): MaybePromise<void> {
    switch (request.kind) {
      case "get":
        this.gets++;
        if (this.#writes.length === 0) return this.#lookUp(request.key);
        return after(this.#applyWrites(), () => this.#lookUp(request.key));
      case "set":
      case "remove":
        if (request.kind === "set") this.sets++;
        else this.removes++;
        if (this.#lookups.length === 0) return this.#stage(request);
        return after(this.#answerLookups(), () => this.#stage(request));
    }
    this.#monitor.counters.add(request.kind);
    switch (request.kind) {
      case "scan":
        return after(this.#emptyQueues(), () =>
          answerScan(
            this.#scope?.current ?? this.#engine,
            request.range,
            this.#answers,
          ));
      case "snapshot":
        return after(
          this.#emptyQueues(),
          () => answerSnapshot(this.#scope, request.isRelease, this.#answers),
        );
      case "compact":
        return after(this.#emptyQueues(), () => this.#compact());
      case "stats":
        return after(this.#emptyQueues(), () => this.#stats());
      case "auth":
        // Whoever gets here needs no authentication, or not any more.
        return after(this.#emptyQueues(), () => this.#answers.ok());
      case "invalid":
        return after(
          this.#emptyQueues(),
          () => this.#answers.err(request.message),
        );
    }
  }

  /**
   * Waits for what is under way, and has the batch counted: its answers may
   * leave then.
   *
   * @returns Whether it ended early.
   */
  finish(): MaybePromise<boolean> {
    // One step behind the writes, since each costs a promise.
    return after(
      this.#emptyQueues(),
      () => after(this.#sync(), () => this.#end()),
    );
  }

  #end(): boolean {
    this.#monitor.counters.end(this.#beganMs, this);
    return this.isFull;
  }

  #emptyQueues(): MaybePromise<void> {
    if (this.#writes.length > 0) return this.#applyWrites();
    if (this.#lookups.length > 0) return this.#answerLookups();
  }

  #lookUp(key: Uint8Array): MaybePromise<void> {
    const lookups = this.#lookups;
    let value: MaybePromise<Uint8Array | undefined>;
    try {
      value = this.#engine.viewBytes(key);
    } catch (error) {
      if (lookups.length === 0) return this.#answers.err(messageOf(error));
      value = Promise.reject(error);
    }
    if (!(value instanceof Promise)) {
      if (lookups.length === 0) return this.#answerLookup(value);
      value = Promise.resolve(value?.slice());
    }
    lookups.push(value);
    if (lookups.length >= MAX_PENDING_LOOKUPS) return this.#answerLookups();
  }

  async #answerLookups(): Promise<void> {
    for (const lookup of await Promise.allSettled(this.#lookups)) {
      if (lookup.status === "fulfilled") this.#answerLookup(lookup.value);
      else this.#answers.err(messageOf(lookup.reason));
    }
    this.#lookups.length = 0;
  }

  #answerLookup(value: Uint8Array | undefined): void {
    if (value === undefined) this.#answers.ok();
    else this.#answers.value(value);
  }

  #stage(write: Write): MaybePromise<void> {
    this.#writes.push(write);
    this.#writesBytes += write.key.length + (write.value?.length ?? 0);
    if (
      this.#writes.length >= MAX_STAGED_WRITES ||
      this.#writesBytes >= MAX_STAGED_BYTES
    ) {
      return this.#applyWrites();
    }
  }

  #applyWrites(): MaybePromise<void> {
    let outcomes: MaybePromise<readonly WriteOutcome[]>;
    try {
      outcomes = this.#writer.write(this.#writes);
    } catch (error) {
      return this.#failWrites(error);
    }
    if (outcomes instanceof Promise) {
      return outcomes.then(
        (outcomes) => this.#answerWrites(outcomes),
        (error) => this.#failWrites(error),
      );
    }
    this.#answerWrites(outcomes);
  }

  #answerWrites(outcomes: readonly WriteOutcome[]): void {
    const answers = this.#answers;
    const count = this.#writes.length;
    if (outcomes.length !== count) {
      // Any other number of answers would give clients those of others.
      return this.#failWrites(
        new Error(`Engine answered ${outcomes.length} of ${count} writes`),
      );
    }
    const start = answers.length;
    let hasChanged = false;
    for (const outcome of outcomes) {
      if (outcome === true) {
        answers.ok();
        hasChanged = true;
      } else if (outcome === false) {
        answers.err(KEY_NOT_FOUND);
        this.#otherErrors++;
      } else {
        answers.err(outcome.message);
      }
    }
    if (hasChanged) this.#answerRuns.push(start, answers.length);
    this.#clearWrites();
  }

  #failWrites(error: unknown): void {
    const message = messageOf(error);
    for (let i = 0; i < this.#writes.length; i++) this.#answers.err(message);
    this.#clearWrites();
  }

  #clearWrites(): void {
    this.#writes.length = 0;
    this.#writesBytes = 0;
  }

  async #compact(): Promise<void> {
    try {
      const { bytesBefore, bytesAfter } = await this.#engine.compact();
      this.#answers.json({ bytesBefore, bytesAfter }, COMPACTION_COST);
    } catch (error) {
      this.#answers.err(messageOf(error));
    }
  }

  async #stats(): Promise<void> {
    try {
      this.#answers.json(await this.#monitor.stats(this.#engine));
    } catch (error) {
      this.#answers.err(messageOf(error));
    }
  }

  #sync(): MaybePromise<void> {
    if (this.#answerRuns.length === 0) return;
    try {
      const synced = this.#engine.sync();
      if (synced instanceof Promise) {
        return synced.catch((error) => this.#takeBack(error));
      }
    } catch (error) {
      this.#takeBack(error);
    }
  }

  #takeBack(error: unknown): void {
    this.#answers.replaceOks(
      this.#answerRuns,
      `Cannot make the write durable: ${messageOf(error)}`,
    );
  }
}

/** Does one thing after another, at once where nothing has to be waited for. */
function after<T>(
  first: MaybePromise<void>,
  next: () => MaybePromise<T>,
): MaybePromise<T> {
  return first instanceof Promise ? first.then(next) : next();
}
