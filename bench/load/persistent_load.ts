/**
 * Load on connections that are kept.
 *
 * @module
 */

import type { Libc, Poller } from "./libc.ts";
import { Meter, type ThreadResult } from "./meter.ts";
import type { LoadPlan } from "./plan.ts";
import { ReplyReader } from "./reply_reader.ts";
import type { Requests } from "./requests.ts";

/** How long a server may be silent, in milliseconds. */
export const SILENCE_MS = 10_000;

/** How long to wait for sockets at a time, in milliseconds. */
export const WAIT_MS = 100;

/** Keeps connections busy, as fast as they go or at the plan's rate. */
export class PersistentLoad {
  readonly #libc: Libc;
  readonly #poller: Poller;
  readonly #batches: Requests["batches"];
  readonly #requestBytes: number;
  readonly #fds: number[] = [];
  readonly #replies: ReplyReader;
  readonly #meter: Meter;
  readonly #isFill: boolean;
  /** The mean time between two batches, in milliseconds; 0 without a rate. */
  readonly #intervalMs: number;
  /** For each connection the replies it waits for, and since when. */
  readonly #awaited: Int32Array;
  readonly #sinceMs: Float64Array;
  /** Connections that wait for the next moment of the plan's rate. */
  readonly #idle: number[] = [];
  #dueMs = 0;
  #nextBatch: number;
  #awaitedInAll = 0;

  /** Connects. */
  constructor(libc: Libc, plan: LoadPlan, requests: Requests) {
    this.#libc = libc;
    this.#poller = libc.poller("readable");
    this.#batches = requests.batches;
    this.#requestBytes = requests.requestBytes;
    this.#replies = new ReplyReader(libc, requests.reply, plan.connections);
    this.#isFill = plan.isFill === true;
    this.#intervalMs = plan.ratePerS === undefined
      ? 0
      : plan.depth * 1e3 / plan.ratePerS;
    this.#nextBatch = this.#isFill
      ? 0
      : Math.floor(Math.random() * this.#batches.length);
    this.#awaited = new Int32Array(plan.connections);
    this.#sinceMs = new Float64Array(plan.connections);
    for (let i = 0; i < plan.connections; i++) {
      const fd = libc.connect(plan.port);
      this.#fds.push(fd);
      this.#poller.add(fd, i);
    }
    this.#meter = new Meter(libc, plan);
  }

  /** Runs the plan. */
  run(): ThreadResult {
    const poller = this.#poller;
    const isPaced = this.#intervalMs > 0;
    let now = performance.now();
    let heardMs = now;
    this.#dueMs = now;
    for (let i = 0; i < this.#fds.length; i++) this.#goOn(i, now);
    while (!this.#meter.isOver(now) && (isPaced || this.#awaitedInAll > 0)) {
      // To sleep until the next moment would be to oversleep it.
      const ready = poller.wait(isPaced ? 0 : WAIT_MS);
      for (let i = 0; i < ready; i++) {
        now = performance.now();
        heardMs = now;
        this.#receive(poller.ready(i), now);
      }
      now = performance.now();
      if (isPaced) this.#sendDue(now);
      if (this.#awaitedInAll > 0 && now - heardMs > SILENCE_MS) {
        throw new Error(`No reply for ${SILENCE_MS} ms`);
      }
      if (this.#awaitedInAll === 0) heardMs = now;
    }
    return this.#meter.result();
  }

  /** Closes the connections. */
  close(): void {
    this.#fds.forEach((fd) => this.#libc.close(fd));
    this.#poller.close();
  }

  #receive(connection: number, nowMs: number): void {
    const count = this.#replies.receive(this.#fds[connection], connection);
    if (count === 0) return;
    this.#meter.count(count, nowMs - this.#sinceMs[connection]);
    this.#awaitedInAll -= count;
    const awaited = this.#awaited[connection] - count;
    this.#awaited[connection] = awaited;
    if (awaited < 0) throw new Error("A reply came that nobody waits for");
    if (awaited === 0) this.#goOn(connection, nowMs);
  }

  #goOn(connection: number, nowMs: number): void {
    if (this.#intervalMs > 0) this.#idle.push(connection);
    else this.#send(connection, nowMs);
  }

  /** Sends what should have left by now, as far as connections are free. */
  #sendDue(nowMs: number): void {
    while (this.#dueMs <= nowMs && this.#idle.length > 0) {
      this.#send(this.#idle.pop()!, this.#dueMs);
      this.#dueMs -= Math.log(1 - Math.random()) * this.#intervalMs;
    }
  }

  #send(connection: number, sinceMs: number): void {
    const batches = this.#batches;
    if (this.#nextBatch === batches.length) {
      if (this.#isFill) return;
      this.#nextBatch = 0;
    }
    const batch = batches[this.#nextBatch++];
    const count = batch.length / this.#requestBytes;
    this.#awaited[connection] = count;
    this.#awaitedInAll += count;
    this.#sinceMs[connection] = sinceMs;
    this.#libc.send(this.#fds[connection], batch);
  }
}
