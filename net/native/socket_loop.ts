/**
 * An event loop for sockets, inside the Worker's own.
 *
 * @module
 */

import { eventLoopTurn } from "../waiting.ts";
import type { Descriptors } from "./descriptors.ts";
import { type Libc, POLLIN, SOCK_CLOEXEC, SOCK_NONBLOCK } from "./libc.ts";

const EPOLL_CTL_ADD = 1;
const EPOLLIN = 0x001;
const EPOLLOUT = 0x004;
const EPOLLERR = 0x008;
const EPOLLHUP = 0x010;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 1 << 31;

/** `struct epoll_event` is packed on x86-64, and only there. */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const EVENT_DATA_AT = EVENT_BYTES - 8;
/** Events taken at a time. */
const MAX_EVENTS = 128;

/** How long the thread sleeps in the system before another one does, in ms. */
const DOZE_MS = 1;
/** The longest sleep there, so that it does not outlive a dead Worker by much. */
const IDLE_MS = 1_000;
/** How long the Worker's event loop stands still at most, or a round, in ms. */
const TURN_INTERVAL_MS = 4;
/** Microtasks that an answer takes on its way, at most, if nothing blocks it. */
const MAX_HOPS = 32;

/** What a {@linkcode SocketLoop} watches. */
export interface Watched {
  /** The descriptor. */
  readonly fd: number;
  /**
   * Called when something may have become possible.
   *
   * @param canRead Whether something has come, or the end.
   * @param canWrite Whether there is room to send.
   * @param isEnding Whether the other end has ended, or the connection broke.
   */
  onReady(canRead: boolean, canWrite: boolean, isEnding: boolean): void;
  /** Called in the next round, for who has asked with `again()`. */
  goOn(): void;
}

/** What has something to send at the end of a round. */
export interface Sender {
  /** Sends it. */
  flush(): void;
}

/**
 * Waits for many sockets with one system call (epoll, edge-triggered), and
 * works in rounds: receive from all that are ready, let what came be run, and
 * send all answers one after another. A client on another core is woken once
 * for many answers so, and writes of different connections meet.
 *
 * While there is much to do the thread sleeps in `epoll_wait` itself, for a
 * millisecond at most, since the way through the runtime's event loop costs
 * more than a request. When nothing has come for as long, or while something
 * is pending, another thread waits, and the event loop is free.
 */
export class SocketLoop {
  /** The system. */
  readonly libc: Libc;
  readonly #descriptors: Descriptors;
  readonly #epoll: number;
  readonly #wake: number;
  readonly #watched = new Map<number, Watched>();
  readonly #events = new Uint8Array(MAX_EVENTS * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  readonly #event = new DataView(new ArrayBuffer(EVENT_BYTES));
  readonly #eventBytes = new Uint8Array(this.#event.buffer);
  /** `struct pollfd` of the epoll descriptor itself. */
  readonly #pollfd = new Uint8Array(8);
  #again: Watched[] = [];
  #unsent: Sender[] = [];
  #flushing: Sender[] = [];
  #isIdle = false;
  #isStopping = false;
  /** How many of its sockets wait for nothing of it: they are being served. */
  busy = 0;

  /**
   * @param libc The system.
   * @param descriptors Where everything is noted that is open.
   */
  constructor(libc: Libc, descriptors: Descriptors) {
    this.libc = libc;
    this.#descriptors = descriptors;
    this.#epoll = libc.calls.epoll_create1(SOCK_CLOEXEC);
    if (this.#epoll < 0) throw libc.error("wait for sockets");
    this.#wake = libc.calls.eventfd(0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (this.#wake < 0) throw libc.error("wait for sockets");
    this.opened(this.#epoll);
    this.opened(this.#wake);
    const view = new DataView(this.#pollfd.buffer);
    view.setInt32(0, this.#epoll, true);
    view.setInt16(4, POLLIN, true);
    this.#register(this.#wake, EPOLLIN);
  }

  /**
   * Watches a descriptor from now on, until it is closed.
   *
   * @param watched Told of what happens.
   */
  watch(watched: Watched): void {
    this.#watched.set(watched.fd, watched);
    this.#register(watched.fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }

  /** Notes that a descriptor was opened. */
  opened(fd: number): void {
    this.#descriptors.add(fd);
  }

  /** Closes a descriptor, and watches it no more. */
  close(fd: number): void {
    this.#watched.delete(fd);
    this.#descriptors.delete(fd);
    this.libc.calls.close(fd);
  }

  /** Calls back in the next round, after all others. */
  again(watched: Watched): void {
    this.#again.push(watched);
    if (this.#isIdle && this.#again.length === 1) {
      eventLoopTurn().then(() => {
        if (this.#isIdle) this.#goOn();
      });
    }
  }

  /** Has something sent once all that is running now has run. */
  send(sender: Sender): void {
    if (this.#unsent.push(sender) === 1) queueMicrotask(this.#flush);
  }

  /** Runs rounds until it is closed. */
  async run(): Promise<void> {
    let turnedMs = performance.now();
    while (!this.#isStopping) {
      const canDoze = this.busy === 0 && this.#again.length === 0;
      const count = this.#wait(canDoze ? DOZE_MS : 0);
      if (count === 0 && this.#again.length === 0) {
        await this.#idle();
        turnedMs = performance.now();
        continue;
      }
      this.#dispatch(count);
      this.#goOn();
      for (let hop = 0; hop < MAX_HOPS && this.busy > 0; hop++) await null;
      const nowMs = performance.now();
      if (this.busy > 0 || nowMs - turnedMs >= TURN_INTERVAL_MS) {
        await eventLoopTurn();
        turnedMs = nowMs;
      }
    }
    this.close(this.#wake);
    this.close(this.#epoll);
  }

  /** Has it end with this round. */
  stop(): void {
    this.#isStopping = true;
    this.libc.calls.eventfd_write(this.#wake, 1n);
  }

  #register(fd: number, events: number): void {
    this.#event.setInt32(0, events, true);
    this.#event.setInt32(EVENT_DATA_AT, fd, true);
    const { epoll_ctl } = this.libc.calls;
    if (epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, this.#eventBytes) < 0) {
      throw this.libc.error("wait for a socket");
    }
  }

  #wait(timeoutMs: number): number {
    const { epoll_wait } = this.libc.calls;
    let count = epoll_wait(this.#epoll, this.#events, MAX_EVENTS, timeoutMs);
    if (count >= 0) return count;
    // A signal interrupts it only while it sleeps.
    count = epoll_wait(this.#epoll, this.#events, MAX_EVENTS, 0);
    if (count >= 0) return count;
    throw this.libc.error("wait for sockets");
  }

  #dispatch(count: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_BYTES;
      const events = this.#view.getInt32(at, true);
      // What was closed since, and maybe opened anew under the same number,
      // costs one needless call, at worst.
      const watched = this.#watched.get(
        this.#view.getInt32(at + EVENT_DATA_AT, true),
      );
      const isEnding = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0;
      watched?.onReady(
        isEnding || (events & EPOLLIN) !== 0,
        isEnding || (events & EPOLLOUT) !== 0,
        isEnding,
      );
    }
  }

  #goOn(): void {
    const again = this.#again;
    if (again.length === 0) return;
    this.#again = [];
    for (const watched of again) watched.goOn();
  }

  readonly #flush = () => {
    const senders = this.#unsent;
    this.#unsent = this.#flushing;
    for (const sender of senders) sender.flush();
    senders.length = 0;
    this.#flushing = senders;
  };

  /** Waits on another thread. */
  async #idle(): Promise<void> {
    this.#isIdle = true;
    await this.libc.calls.poll(this.#pollfd, 1n, IDLE_MS);
    this.#isIdle = false;
  }
}
