/**
 * Connections on sockets of the C library.
 *
 * @module
 */

import type { Transport, TransportUser } from "../transport.ts";
import {
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLIN,
  POLLOUT,
  SHUT_WR,
} from "./libc.ts";
import type { Sender, SocketLoop, Watched } from "./socket_loop.ts";

const NO_BYTES = new Uint8Array(0);

/** A connection on a socket that a {@linkcode SocketLoop} watches. */
export class Socket implements Transport, Watched, Sender {
  readonly hasHandshake = false;
  readonly canAbort = true;
  readonly fd: number;
  readonly #loop: SocketLoop;
  #user: TransportUser | undefined;
  #isOpen = true;
  /** Whether the loop knows of it: who leaves at once needs no watching. */
  #isWatched = false;
  /** Whether there may be something to read: who connects has something. */
  #canRead = true;
  /** Whether the end is near, so that a short read does not mean no more. */
  #isEnding = false;
  #isReading = false;
  #room = NO_BYTES;
  #isSending = false;
  #unsent = NO_BYTES;

  /**
   * @param fd The socket.
   * @param loop Watches it.
   */
  constructor(fd: number, loop: SocketLoop) {
    this.fd = fd;
    this.#loop = loop;
    loop.busy++;
  }

  /** @inheritdoc */
  open(user: TransportUser): void {
    this.#user = user;
    user.opened();
  }

  /** @inheritdoc */
  read(room: Uint8Array): void {
    this.#leave();
    this.#room = unshared(room);
    this.#isReading = true;
    if (this.#canRead) this.#loop.again(this);
  }

  /** @inheritdoc */
  send(bytes: Uint8Array): void {
    this.#leave();
    this.#unsent = unshared(bytes);
    this.#isSending = true;
    this.#loop.send(this);
  }

  /** @inheritdoc */
  endSending(): void {
    this.#loop.libc.calls.shutdown(this.fd, SHUT_WR);
  }

  /** @inheritdoc */
  close(): void {
    if (!this.#isOpen) return;
    this.#leave();
    this.#isOpen = this.#isReading = this.#isSending = false;
    this.#loop.close(this.fd);
  }

  /** @inheritdoc */
  onReady(canRead: boolean, canWrite: boolean, isEnding: boolean): void {
    this.#isEnding ||= isEnding;
    if (canRead) {
      this.#canRead = true;
      this.goOn();
    }
    if (canWrite) this.flush();
  }

  /** Receives, if somebody waits for it. */
  goOn(): void {
    if (!this.#isReading) return;
    const room = this.#room;
    let count = this.#receive(room);
    if (count < 0 && this.#isReady(POLLIN)) count = this.#receive(room);
    else if (count < 0) {
      this.#canRead = false;
      return this.#watch();
    }
    this.#isReading = false;
    this.#enter();
    if (count < 0) return this.#fail();
    // What comes later is a new event, but an end that is there already is not.
    this.#canRead = count === room.length || !this.#isWatched || this.#isEnding;
    this.#user?.received(count);
  }

  /** Sends what is left to send, as far as there is room. */
  flush(): void {
    if (!this.#isSending) return;
    const bytes = this.#unsent;
    let sent = this.#transmit(bytes);
    let isBroken = false;
    if (sent < 0 && this.#isReady(POLLOUT)) {
      sent = this.#transmit(bytes);
      isBroken = sent < 0;
    }
    if (sent < bytes.length && !isBroken) {
      this.#unsent = bytes.subarray(Math.max(sent, 0));
      return this.#watch();
    }
    this.#isSending = false;
    this.#unsent = NO_BYTES;
    this.#enter();
    if (isBroken) this.#fail();
    else this.#user?.sent();
  }

  #receive(room: Uint8Array<ArrayBuffer>): number {
    const { recv } = this.#loop.libc.calls;
    return recv(this.fd, room, room.length, MSG_DONTWAIT);
  }

  #transmit(bytes: Uint8Array<ArrayBuffer>): number {
    const { send } = this.#loop.libc.calls;
    return send(this.fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  /**
   * Whether to try again what has failed. A socket that is not watched yet
   * will be, and then gets an event for what there is already.
   */
  #isReady(events: number): boolean {
    return this.#isWatched && this.#loop.libc.isReady(this.fd, events);
  }

  #fail(): void {
    this.#user?.failed(
      new Deno.errors.ConnectionReset("Connection reset by peer"),
    );
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    try {
      this.#loop.watch(this);
    } catch (error) {
      // The system has no memory for one more, which concerns no other.
      this.#user?.failed(error);
    }
  }

  /** Waits for the loop from here on. */
  #leave(): void {
    if (!this.#isReading && !this.#isSending) this.#loop.busy--;
  }

  /** Is served from here on. */
  #enter(): void {
    if (!this.#isReading && !this.#isSending) this.#loop.busy++;
  }
}

/** The types say that a native call takes no shared memory. It does. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
