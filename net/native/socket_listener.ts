/**
 * Listening on sockets of the C library.
 *
 * @module
 */

import type { TransportListener } from "../transport.ts";
import { AF_INET, AF_INET6, socketAddress } from "./address.ts";
import {
  type Libc,
  POLLIN,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "./libc.ts";
import { Socket } from "./socket.ts";
import type { SocketLoop, Watched } from "./socket_loop.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/** Connections that wait to be accepted, at most; the system may allow less. */
const BACKLOG = 4096;

/** A listener that shares its port with those of other Workers. */
export class SocketListener implements TransportListener, Watched {
  readonly fd: number;
  readonly #loop: SocketLoop;
  readonly #acceptAhead: number;
  readonly #accepted: Socket[] = [];
  #accept: PromiseWithResolvers<Socket> | undefined;
  #canAccept = false;
  #isOpen = true;

  /**
   * Listens.
   *
   * @param loop Watches it and its connections.
   * @param address Where to.
   * @param acceptAhead The most connections to accept before the first is
   * asked for: they take descriptors, and nobody has counted them.
   * @throws {Error} If that can't be done.
   */
  constructor(loop: SocketLoop, address: Deno.NetAddr, acceptAhead = 64) {
    this.#loop = loop;
    this.#acceptAhead = acceptAhead;
    this.fd = listen(loop.libc, address);
    loop.opened(this.fd);
    loop.watch(this);
  }

  /**
   * Accepts a connection, once one has come.
   *
   * @throws {Deno.errors.BadResource} If the listener is closed.
   * @throws {Error} If the system refuses, out of descriptors for instance.
   */
  accept(): Promise<Socket> {
    if (!this.#isOpen) return Promise.reject(closedError());
    const accepted = this.#accepted.shift();
    if (accepted !== undefined) return Promise.resolve(accepted);
    this.#accept = Promise.withResolvers();
    if (this.#canAccept) this.#loop.again(this);
    return this.#accept.promise;
  }

  /** @inheritdoc */
  tick(): void {}

  /** Stops listening. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#loop.close(this.fd);
    for (const socket of this.#accepted) socket.close();
    this.#accept?.reject(closedError());
    this.#accept = undefined;
  }

  /** @inheritdoc */
  onReady(): void {
    this.#canAccept = true;
    this.goOn();
  }

  /** @inheritdoc */
  goOn(): void {
    const { libc } = this.#loop;
    let hasFailed = false;
    while (
      this.#accept !== undefined || this.#accepted.length < this.#acceptAhead
    ) {
      const fd = libc.calls.accept4(
        this.fd,
        null,
        null,
        SOCK_CLOEXEC | SOCK_NONBLOCK,
      );
      if (fd < 0) {
        if (hasFailed) return this.#refuse();
        hasFailed = this.#canAccept = libc.isReady(this.fd, POLLIN);
        // A signal came in between, or one connection is gone already.
        if (hasFailed) continue;
        return;
      }
      hasFailed = false;
      this.#loop.opened(fd);
      const socket = new Socket(fd, this.#loop);
      if (this.#accept === undefined) this.#accepted.push(socket);
      else this.#accept.resolve(socket);
      this.#accept = undefined;
    }
  }

  /** Rejects the accept that waits; the next one tries again. */
  #refuse(): void {
    this.#accept?.reject(new Error(this.#loop.libc.reason()));
    this.#accept = undefined;
  }
}

function closedError(): Error {
  return new Deno.errors.BadResource("Listener is closed");
}

function listen(libc: Libc, address: Deno.NetAddr): number {
  const { hostname, port } = address;
  const { bind, close, listen, setsockopt, socket } = libc.calls;
  const bytes = socketAddress(libc, address);
  if (bytes === undefined) {
    throw new TypeError(`Cannot listen on "${hostname}": it is no IP address`);
  }
  const family = hostname.includes(":") ? AF_INET6 : AF_INET;
  const fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw libc.error("make a socket");
  const on = new Uint8Array(new Int32Array([1]).buffer);
  // Connections inherit TCP_NODELAY: an answer must not wait for more to send.
  const isListening = [
    [SOL_SOCKET, SO_REUSEADDR],
    [SOL_SOCKET, SO_REUSEPORT],
    [IPPROTO_TCP, TCP_NODELAY],
  ].every(([level, name]) =>
    setsockopt(fd, level, name, on, on.length) === 0
  ) &&
    bind(fd, bytes, bytes.length) === 0 && listen(fd, BACKLOG) === 0;
  if (isListening) return fd;
  const error = libc.error(`listen on ${hostname}:${port}`);
  close(fd);
  throw error;
}
