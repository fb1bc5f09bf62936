/**
 * Running requests against an engine, in batches.
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
import type { RequestBuffer } from "../protocol/json/request_buffer.ts";
import type {
  KvsRequest,
  ProtocolError,
  RequestKind,
} from "../protocol/request.ts";
import type { RequestHandler } from "./connection.ts";
import {
  answerScan,
  answerSnapshot,
  type ConnectionSnapshot,
  messageOf,
} from "./snapshots.ts";
import { type WriteGroup, WriteQueue, type Writer } from "./write_queue.ts";

/**
 * The most lookups that an asynchronous engine works on at the same time for a
 * batch: all of their values are held until the last is there.
 */
const MAX_PENDING_LOOKUPS = 16;

/** What a compaction costs, in entries of pages: the second ends a batch. */
const COMPACTION_COST = 5_000;

/** Options of {@linkcode Executor}. */
export interface ExecutorOptions {
  /**
   * Whether writes wait for those of the other batches that run in the same
   * turn of the event loop: the log is appended to once for all of them.
   *
   * @default {false}
   */
  readonly joinsWrites?: boolean;
}

/**
 * Runs the requests of a thread.
 *
 * @example
 * ```ts
 * import { KvStore } from "@kvs/kvs";
 * import { Monitor, shareMonitor } from "../monitor/monitor.ts";
 * import { AnswerBuffer } from "../protocol/json/answer_buffer.ts";
 * import { RequestBuffer } from "../protocol/json/request_buffer.ts";
 * import { assertEquals } from "@std/assert";
 *
 * await using store = KvStore.open(Deno.makeTempDirSync());
 * const monitor = new Monitor(shareMonitor("reuse-port", 1), 0);
 * const executor = new Executor(store, monitor);
 * const requests = new RequestBuffer();
 * const lines = '{"Set":{"key":"k","value":"v"}}\n{"Get":{"key":"k"}}\n';
 * requests.commit(
 *   new TextEncoder().encodeInto(lines, requests.space()).written,
 * );
 * const answers = new AnswerBuffer();
 * await executor.run(requests, answers);
 * assertEquals(
 *   new TextDecoder().decode(answers.bytes()),
 *   '{"Ok":null}\n{"Ok":"v"}\n',
 * );
 * ```
 */
export class Executor {
  readonly engine: KvsEngine;
  readonly monitor: Monitor;
  /** The writes of all batches. */
  readonly writes: WriteQueue;

  constructor(
    engine: KvsEngine,
    monitor: Monitor,
    { joinsWrites = false }: ExecutorOptions = {},
  ) {
    this.engine = engine;
    this.monitor = monitor;
    this.writes = new WriteQueue(engine, { isJoined: joinsWrites });
  }

  /**
   * Runs all requests that are whole, in order, as one batch: neighbouring
   * writes go to the engine together, and one sync makes all of them durable.
   * The answers go after those that are there already.
   *
   * The answers may leave once this returns or its promise resolves, not
   * before. Until then the buffers must be left alone. Without joined writes no
   * promise is made for a synchronous engine.
   *
   * Returns whether to call again once the answers have left, since they were
   * many and there may be more whole requests.
   */
  run(
    requests: Pick<RequestBuffer, "next">,
    answers: AnswerBuffer,
    snapshot?: ConnectionSnapshot,
  ): MaybePromise<boolean> {
    const batch = new Batch(this, answers, snapshot);
    for (;;) {
      const request = answers.isFull ? undefined : requests.next();
      if (request === undefined) return batch.finish();
      const pending = batch.run(request);
      if (pending instanceof Promise) {
        return this.#resume(batch, requests, pending);
      }
    }
  }

  /** Runs the rest of a batch that has to wait for the engine. */
  async #resume(
    batch: Batch,
    requests: Pick<RequestBuffer, "next">,
    pending: Promise<void>,
  ): Promise<boolean> {
    await pending;
    for (;;) {
      const request = batch.answers.isFull ? undefined : requests.next();
      if (request === undefined) return await batch.finish();
      await batch.run(request);
    }
  }
}

/** Handles the requests of one connection on this thread. */
export class LocalHandler implements RequestHandler {
  readonly isAdmitted = true;
  readonly #executor: Executor;
  readonly #snapshot: ConnectionSnapshot;

  constructor(executor: Executor, snapshot: ConnectionSnapshot) {
    this.#executor = executor;
    this.#snapshot = snapshot;
  }

  run(requests: RequestBuffer, answers: AnswerBuffer): MaybePromise<boolean> {
    return this.#executor.run(requests, answers, this.#snapshot);
  }

  close(): void {
    this.#snapshot.close();
  }
}

/**
 * One batch on its way. Two queues wait for more of their kind, writes that
 * are not with the engine yet and lookups that it works on; one of them is
 * always empty, or answers would leave in another order than their requests
 * came.
 */
class Batch implements BatchCounts, Writer {
  gets = 0;
  sets = 0;
  removes = 0;
  readonly answers: AnswerBuffer;
  readonly #writes: WriteQueue;
  readonly #engine: KvsEngine;
  readonly #monitor: Monitor;
  readonly #snapshot: ConnectionSnapshot | undefined;
  readonly #beganMs: number;
  /** Errors that are not this batch's, or do not count. */
  #otherErrors: number;
  /** Its writes that are not answered yet: of no more than one group. */
  #group: WriteGroup | undefined;
  readonly #lookups: Promise<Uint8Array | undefined>[] = [];
  /** Where the answers to writes stand, in case the sync fails. */
  readonly #answerRuns: number[] = [];

  constructor(
    executor: Executor,
    answers: AnswerBuffer,
    snapshot: ConnectionSnapshot | undefined,
  ) {
    this.answers = answers;
    this.#writes = executor.writes;
    this.#engine = executor.engine;
    this.#monitor = executor.monitor;
    this.#snapshot = snapshot;
    this.#otherErrors = answers.errors;
    this.#beganMs = executor.monitor.counters.begin();
  }

  get errors(): number {
    return this.answers.errors - this.#otherErrors;
  }

  run(request: KvsRequest | ProtocolError): MaybePromise<void> {
    switch (request.kind) {
      case "get":
        this.gets++;
        if (this.#group === undefined) return this.#lookUp(request.key);
        return after(
          this.#writes.settle(this.#group),
          () => this.#lookUp(request.key),
        );
      case "set":
        this.sets++;
        return this.#write(request);
      case "remove":
        this.removes++;
        return this.#write(request);
      case "scan": {
        const source = this.#snapshot?.current ?? this.#engine;
        return this.#runAlone(
          request.kind,
          () => answerScan(source, request.range, this.answers),
        );
      }
      case "snapshot":
        return this.#runAlone(
          request.kind,
          () => answerSnapshot(this.#snapshot, request.isRelease, this.answers),
        );
      case "compact":
        return this.#runAlone(request.kind, () => this.#compact());
      case "stats":
        return this.#runAlone(request.kind, () => this.#stats());
      case "auth":
        // A client that gets here has shown the token, or needs none.
        return this.#runAlone(request.kind, () => this.answers.ok());
      case "invalid":
        return this.#runAlone(
          request.kind,
          () => this.answers.err(request.message),
        );
    }
  }

  /** Waits for what is under way, syncs, and has the batch counted. */
  finish(): MaybePromise<boolean> {
    // One step after the writes, since each costs a promise.
    return after(
      this.#emptyQueues(),
      () => after(this.#sync(), () => this.#end()),
    );
  }

  answerWrites(
    outcomes: readonly WriteOutcome[],
    from: number,
    to: number,
  ): void {
    const { answers } = this;
    const start = answers.length;
    let hasChanged = false;
    for (let i = from; i < to; i++) {
      const outcome = outcomes[i];
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
    this.#group = undefined;
  }

  failWrites(error: unknown, count: number): void {
    const message = messageOf(error);
    for (let i = 0; i < count; i++) this.answers.err(message);
    this.#group = undefined;
  }

  #end(): boolean {
    this.#monitor.counters.end(this.#beganMs, this);
    return this.answers.isFull;
  }

  #runAlone(
    kind: RequestKind | "invalid",
    run: () => MaybePromise<void>,
  ): MaybePromise<void> {
    this.#monitor.counters.add(kind);
    return after(this.#emptyQueues(), run);
  }

  #emptyQueues(): MaybePromise<void> {
    if (this.#group !== undefined) return this.#writes.settle(this.#group);
    if (this.#lookups.length > 0) return this.#answerLookups();
  }

  #lookUp(key: Uint8Array): MaybePromise<void> {
    const lookups = this.#lookups;
    let value: MaybePromise<Uint8Array | undefined>;
    try {
      value = this.#engine.viewBytes(key);
    } catch (error) {
      if (lookups.length === 0) return this.answers.err(messageOf(error));
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
      else this.answers.err(messageOf(lookup.reason));
    }
    this.#lookups.length = 0;
  }

  #answerLookup(value: Uint8Array | undefined): void {
    if (value === undefined) this.answers.ok();
    else this.answers.value(value);
  }

  #write(write: Write): MaybePromise<void> {
    if (this.#lookups.length === 0) return this.#addWrite(write);
    return after(this.#answerLookups(), () => this.#addWrite(write));
  }

  #addWrite(write: Write): MaybePromise<void> {
    const { group } = this.#writes;
    if (this.#group !== undefined && this.#group !== group) {
      // Another batch has had the others flushed; answers come in order.
      return after(
        this.#writes.settle(this.#group),
        () => this.#addWrite(write),
      );
    }
    this.#group = group;
    if (group.add(this, write)) return this.#writes.flush();
  }

  async #compact(): Promise<void> {
    try {
      const { bytesBefore, bytesAfter } = await this.#engine.compact();
      this.answers.json({ bytesBefore, bytesAfter }, COMPACTION_COST);
    } catch (error) {
      this.answers.err(messageOf(error));
    }
  }

  async #stats(): Promise<void> {
    try {
      this.answers.json(await this.#monitor.stats(this.#engine));
    } catch (error) {
      this.answers.err(messageOf(error));
    }
  }

  #sync(): MaybePromise<void> {
    if (this.#answerRuns.length === 0) return;
    try {
      const synced = this.#engine.sync();
      if (synced instanceof Promise) {
        return synced.catch((error) => this.#replaceAnswers(error));
      }
    } catch (error) {
      this.#replaceAnswers(error);
    }
  }

  #replaceAnswers(error: unknown): void {
    this.answers.replaceOks(
      this.#answerRuns,
      `Cannot make the write durable: ${messageOf(error)}`,
    );
  }
}

/** Does one thing after another, at once where there is nothing to wait for. */
function after<T>(
  first: MaybePromise<void>,
  next: () => MaybePromise<T>,
): MaybePromise<T> {
  return first instanceof Promise ? first.then(next) : next();
}
