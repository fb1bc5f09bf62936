/**
 * Load in connections of one request each.
 *
 * @module
 */

import type { Libc, Poller } from "./libc.ts";
import { Meter, type ThreadResult } from "./meter.ts";
import { SILENCE_MS, WAIT_MS } from "./persistent_load.ts";
import type { LoadPlan } from "./plan.ts";
import { ReplyReader } from "./reply_reader.ts";
import type { Requests } from "./requests.ts";

/** Connections come from this many addresses, from 127.0.0.1 on. */
const MAX_SOURCES = 250;

/**
 * Connects, sends a request, shuts down its half, reads to the end, closes,
 * and does it again, so many times at once as the plan has connections.
 */
export class OneShotLoad {
  readonly #libc: Libc;
  readonly #port: number;
  readonly #poller: Poller;
  readonly #batches: Requests["batches"];
  readonly #replies: ReplyReader;
  readonly #fds: Int32Array;
  readonly #sinceMs: Float64Array;
  readonly #meter: Meter;
  #next: number;

  constructor(libc: Libc, plan: LoadPlan, requests: Requests) {
    this.#libc = libc;
    this.#port = plan.port;
    // Once the server has closed its half, the reply is there as well.
    this.#poller = libc.poller("ended");
    this.#batches = requests.batches;
    this.#replies = new ReplyReader(libc, requests.reply, plan.connections);
    this.#fds = new Int32Array(plan.connections);
    this.#sinceMs = new Float64Array(plan.connections);
    this.#next = Math.floor(Math.random() * requests.batches.length);
    this.#meter = new Meter(libc, plan);
  }

  /** Runs the plan. */
  run(): ThreadResult {
    const poller = this.#poller;
    let now = performance.now();
    let heardMs = now;
    for (let i = 0; i < this.#fds.length; i++) this.#begin(i);
    while (!this.#meter.isOver(now)) {
      const ready = poller.wait(WAIT_MS);
      for (let i = 0; i < ready; i++) {
        const connection = poller.ready(i);
        this.#finish(connection);
        this.#begin(connection);
      }
      now = performance.now();
      if (ready > 0) heardMs = now;
      else if (now - heardMs > SILENCE_MS) {
        throw new Error(`No reply for ${SILENCE_MS} ms`);
      }
    }
    return this.#meter.result();
  }

  /** Closes what is open. */
  close(): void {
    this.#fds.forEach((fd) => fd > 0 && this.#libc.close(fd));
    this.#poller.close();
  }

  #begin(connection: number): void {
    const batches = this.#batches;
    if (this.#next === batches.length) this.#next = 0;
    this.#sinceMs[connection] = performance.now();
    const source = 1 + connection % MAX_SOURCES;
    const fd = this.#libc.connect(this.#port, source);
    this.#fds[connection] = fd;
    this.#libc.send(fd, batches[this.#next++]);
    this.#libc.endSending(fd);
    this.#poller.add(fd, connection);
  }

  #finish(connection: number): void {
    const fd = this.#fds[connection];
    if (this.#replies.receive(fd, connection) !== 1) {
      // In the middle of a reply, or after a shorter one: no such key.
      throw new Error("A connection ended with another reply than expected");
    }
    this.#libc.close(fd);
    this.#fds[connection] = 0;
    this.#meter.count(1, performance.now() - this.#sinceMs[connection]);
  }
}
