/**
 * Sockets straight from the C library, for programs that must cost next to
 * nothing beside what they measure: a call here is the system call and some
 * ten nanoseconds, where `Deno.TcpConn` adds a promise and an event loop.
 *
 * Linux with glibc only. Every thread opens its own.
 *
 * @module
 */

const AF_INET = 2;
const IPPROTO_IP = 0;
const IP_BIND_ADDRESS_NO_PORT = 24;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SHUT_WR = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11;
const EINTR = 4;
const RUSAGE_THREAD = 1;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EPOLLRDHUP = 0x2000;

/** `struct epoll_event` is packed on x86-64, and only there. */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const EVENT_DATA_AT = EVENT_BYTES - 8;

/** Events taken at a time. */
const MAX_EVENTS = 256;

/** The value of a socket's option that is switched on. */
const ON = new Uint8Array(new Int32Array([1]).buffer);

function load() {
  if (Deno.build.os !== "linux") {
    throw new Error(
      `Cannot generate load on ${Deno.build.os}: the load generator needs Linux`,
    );
  }
  // Sizes and results of ssize_t stay far below 2^31 here, and as 32-bit
  // numbers they cross without becoming a BigInt.
  return Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    setsockopt: {
      parameters: ["i32", "i32", "i32", "buffer", "u32"],
      result: "i32",
    },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
    recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
    shutdown: { parameters: ["i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    epoll_create1: { parameters: ["i32"], result: "i32" },
    epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
    epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
    getrusage: { parameters: ["i32", "buffer"], result: "i32" },
    __errno_location: { parameters: [], result: "pointer" },
  });
}

/** What a {@linkcode Poller} waits for. */
export type Readiness =
  /** Bytes, or the end of the stream. */
  | "readable"
  /** The end of the stream. */
  | "ended";

/** TCP over the loopback device, and the processor time of this thread. */
export class Libc {
  readonly #symbols: ReturnType<typeof load>["symbols"];
  readonly #errno: Deno.UnsafePointerView;
  readonly #usage = new BigInt64Array(18);

  /** Loads the library for this thread. */
  constructor() {
    this.#symbols = load().symbols;
    const errno = this.#symbols.__errno_location();
    if (errno === null) throw new Error("The C library has no errno");
    this.#errno = new Deno.UnsafePointerView(errno);
  }

  /**
   * Connects to a port of 127.0.0.1.
   *
   * @param source The last byte of the address to connect from, 127.0.0.x. To
   * the same port, only so many connections a second can be made from one
   * address: each keeps its local port for a second after its end.
   */
  connect(port: number, source = 1): number {
    const symbols = this.#symbols;
    const fd = symbols.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw this.#error("make a socket");
    symbols.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ON, ON.length);
    if (source !== 1) {
      // Else it would be bound to a port at once, for any destination.
      symbols.setsockopt(
        fd,
        IPPROTO_IP,
        IP_BIND_ADDRESS_NO_PORT,
        ON,
        ON.length,
      );
      const from = loopback(0, source);
      if (symbols.bind(fd, from, from.length) < 0) {
        const error = this.#error("choose an address to connect from");
        symbols.close(fd);
        throw error;
      }
    }
    const address = loopback(port);
    if (symbols.connect(fd, address, address.length) < 0) {
      const error = this.#error(`connect to port ${port}`);
      symbols.close(fd);
      throw error;
    }
    return fd;
  }

  /** Sends all of some bytes, which must fit into the socket's buffer. */
  send(fd: number, bytes: Uint8Array<ArrayBuffer>): void {
    const length = bytes.length;
    const sent = this.#symbols.send(
      fd,
      bytes,
      length,
      MSG_DONTWAIT | MSG_NOSIGNAL,
    );
    if (sent === length) return;
    if (sent < 0) throw this.#error("send");
    throw new Error(`Cannot send ${length} bytes: only ${sent} fit`);
  }

  /** Receives what is there: 0 bytes at the end of the stream, -1 if none yet. */
  receive(fd: number, into: Uint8Array<ArrayBuffer>): number {
    const received = this.#symbols.recv(fd, into, into.length, MSG_DONTWAIT);
    if (received < 0 && this.#errno.getInt32() !== EAGAIN) {
      throw this.#error("receive");
    }
    return received;
  }

  /** Says that no more will be sent. */
  endSending(fd: number): void {
    if (this.#symbols.shutdown(fd, SHUT_WR) < 0) {
      throw this.#error("shut down a socket");
    }
  }

  /** Closes a descriptor. */
  close(fd: number): void {
    this.#symbols.close(fd);
  }

  /** The processor time that this thread has used, in milliseconds. */
  threadCpuMs(): number {
    const usage = this.#usage;
    this.#symbols.getrusage(RUSAGE_THREAD, usage);
    const [userS, userUs, systemS, systemUs] = usage;
    return Number(userS + systemS) * 1e3 + Number(userUs + systemUs) / 1e3;
  }

  /** Makes a poller, to be closed with {@linkcode close}. */
  poller(readiness: Readiness): Poller {
    const fd = this.#symbols.epoll_create1(SOCK_CLOEXEC);
    if (fd < 0) throw this.#error("make a poller");
    return new Poller(fd, readiness, {
      control: this.#symbols.epoll_ctl,
      wait: this.#symbols.epoll_wait,
      close: (fd) => this.close(fd),
      isInterrupted: () => this.#errno.getInt32() === EINTR,
    });
  }

  #error(what: string): Error {
    return new Error(`Cannot ${what}: errno ${this.#errno.getInt32()}`);
  }
}

interface PollerCalls {
  control(
    epoll: number,
    operation: number,
    fd: number,
    event: Uint8Array<ArrayBuffer>,
  ): number;
  wait(
    epoll: number,
    events: Uint8Array<ArrayBuffer>,
    maxEvents: number,
    timeoutMs: number,
  ): number;
  close(fd: number): void;
  isInterrupted(): boolean;
}

/** Waits for many sockets at once (epoll, level-triggered). */
export class Poller {
  readonly #fd: number;
  readonly #interest: number;
  readonly #calls: PollerCalls;
  readonly #events = new Uint8Array(MAX_EVENTS * EVENT_BYTES);
  readonly #view = new DataView(this.#events.buffer);
  readonly #event = new Uint8Array(EVENT_BYTES);
  readonly #eventView = new DataView(this.#event.buffer);

  constructor(fd: number, readiness: Readiness, calls: PollerCalls) {
    this.#fd = fd;
    this.#interest = readiness === "ended" ? EPOLLRDHUP : EPOLLIN;
    this.#calls = calls;
  }

  /** Waits for a socket from now on, until it is closed. */
  add(fd: number, tag: number): void {
    this.#eventView.setUint32(0, this.#interest, true);
    this.#eventView.setUint32(EVENT_DATA_AT, tag, true);
    if (this.#calls.control(this.#fd, EPOLL_CTL_ADD, fd, this.#event) < 0) {
      throw new Error(`Cannot wait for descriptor ${fd}`);
    }
  }

  /** Waits until a socket is ready. */
  wait(timeoutMs: number): number {
    const count = this.#calls.wait(
      this.#fd,
      this.#events,
      MAX_EVENTS,
      timeoutMs,
    );
    if (count >= 0) return count;
    if (this.#calls.isInterrupted()) return 0;
    throw new Error("Cannot wait for sockets");
  }

  /** The tag of the `i`th socket that is ready. */
  ready(i: number): number {
    return this.#view.getUint32(i * EVENT_BYTES + EVENT_DATA_AT, true);
  }

  /** Closes it. */
  close(): void {
    this.#calls.close(this.#fd);
  }
}

/** `struct sockaddr_in` of a port of 127.0.0.x. */
function loopback(port: number, host = 1): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  address.set([127, 0, 0, host], 4);
  return address;
}
