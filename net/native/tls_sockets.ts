/**
 * The sockets of TLS connections that outlive them.
 *
 * @module
 */

import { canonicalHost } from "../../addr.ts";
import { AF_INET } from "./address.ts";
import { Libc, SHUT_RDWR } from "./libc.ts";
import { openDescriptors } from "./descriptors.ts";

/** How long a client has to take the rest and say goodbye, in milliseconds. */
const GOODBYE_MS = 2_000;

/** Room for any address. */
const ADDRESS_BYTES = 128;

/**
 * Ends what Deno does not: to close a TLS connection, Deno waits without limit
 * for the client to take what is left and to finish the handshake, and keeps
 * the socket as long. After a while this hangs up, by system calls of its own.
 *
 * Only on Linux with glibc, and with `--allow-ffi`.
 */
export class TlsSockets {
  #libc: Libc | undefined;
  #isLoaded = false;
  /** When connections were closed, by their addresses. */
  readonly #closed = new Map<string, number>();
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  readonly #lengthBytes = new Uint32Array(1);

  /** Whether it can do what it is for. */
  get isAble(): boolean {
    return this.#calls !== undefined;
  }

  /**
   * Notes that a connection was made, maybe by who just had another one with
   * the same addresses: it is not that one.
   *
   * @param stream The connection.
   */
  opened(stream: Deno.TlsConn): void {
    if (this.#closed.size > 0) this.#closed.delete(keyOf(stream));
  }

  /**
   * Notes that a connection was closed.
   *
   * @param stream The connection.
   * @param nowMs The time, by whatever clock.
   */
  closed(stream: Deno.TlsConn, nowMs: number): void {
    if (this.isAble) this.#closed.set(keyOf(stream), nowMs);
  }

  /**
   * Hangs up on those that were closed a while ago.
   *
   * @param nowMs The time, by the same clock.
   */
  sweep(nowMs: number): void {
    const due = new Set<string>();
    for (const [key, closedMs] of this.#closed) {
      if (nowMs - closedMs < GOODBYE_MS) break;
      due.add(key);
      this.#closed.delete(key);
    }
    // Most are gone by themselves, and then none is found.
    if (due.size > 0) this.#hangUp(due);
  }

  /** Lets go of the library. */
  close(): void {
    this.#closed.clear();
    this.#libc?.close();
    this.#libc = undefined;
  }

  /**
   * Nobody else closes these sockets meanwhile: they belong to this thread's
   * event loop, which is here.
   */
  #hangUp(keys: ReadonlySet<string>): void {
    const libc = this.#calls;
    if (libc === undefined) return;
    for (const fd of openDescriptors(libc)) {
      const remote = this.#addressOf(libc.getpeername, fd);
      if (remote === undefined) continue;
      const local = this.#addressOf(libc.getsockname, fd);
      if (keys.has(`${local} ${remote}`)) libc.shutdown(fd, SHUT_RDWR);
    }
  }

  /** Loaded when it is needed first, since most servers never do. */
  get #calls(): Libc["calls"] | undefined {
    if (!this.#isLoaded) this.#libc = Libc.open();
    this.#isLoaded = true;
    return this.#libc?.calls;
  }

  #addressOf(
    call: (
      fd: number,
      address: Uint8Array<ArrayBuffer>,
      lengthBytes: Uint32Array<ArrayBuffer>,
    ) => number,
    fd: number,
  ): string | undefined {
    const bytes = this.#address;
    this.#lengthBytes[0] = ADDRESS_BYTES;
    if (call(fd, bytes, this.#lengthBytes) !== 0) return undefined;
    const view = new DataView(bytes.buffer);
    const port = view.getUint16(2);
    if (new Uint16Array(bytes.buffer, 0, 1)[0] === AF_INET) {
      return textOf(bytes.subarray(4, 8).join("."), port);
    }
    const groups = Array.from(
      { length: 8 },
      (_, i) => view.getUint16(8 + i * 2).toString(16),
    );
    return textOf(groups.join(":"), port);
  }
}

function keyOf({ localAddr, remoteAddr }: Deno.TlsConn): string {
  const [local, remote] = [localAddr, remoteAddr].map((addr) =>
    addr.transport === "tcp" ? textOf(addr.hostname, addr.port) : ""
  );
  return `${local} ${remote}`;
}

function textOf(hostname: string, port: number): string {
  return `${canonicalHost(hostname)}:${port}`;
}
