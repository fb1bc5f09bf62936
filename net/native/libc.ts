/**
 * The calls of the C library.
 *
 * @module
 */

/** Flags of {@linkcode Libc} calls: the same on all of Linux. */
export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

export const POLLIN = 1;
export const POLLOUT = 4;

const EADDRINUSE = 98;

/** A signal may interrupt poll() even where it need not wait. */
const MAX_POLLS = 8;

function open() {
  // Sizes and results of type ssize_t stay far below 2^31 here, and as 32-bit
  // numbers they cross without becoming a BigInt.
  return Deno.dlopen("libc.so.6", {
    accept4: {
      parameters: ["i32", "pointer", "pointer", "i32"],
      result: "i32",
    },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    epoll_create1: { parameters: ["i32"], result: "i32" },
    epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
    epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
    eventfd: { parameters: ["u32", "i32"], result: "i32" },
    eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
    getdents64: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    inet_pton: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    listen: { parameters: ["i32", "i32"], result: "i32" },
    open: { parameters: ["buffer", "i32"], result: "i32" },
    poll: {
      parameters: ["buffer", "u64", "i32"],
      result: "i32",
      nonblocking: true,
    },
    poll_now: {
      name: "poll",
      parameters: ["buffer", "u64", "i32"],
      result: "i32",
    },
    recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
    send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
    setsockopt: {
      parameters: ["i32", "i32", "i32", "buffer", "u32"],
      result: "i32",
    },
    shutdown: { parameters: ["i32", "i32"], result: "i32" },
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    strerror: { parameters: ["i32"], result: "pointer" },
    __errno_location: { parameters: [], result: "pointer" },
  });
}

/** The calls of the C library that a server's sockets need. */
export type LibcCalls = ReturnType<typeof open>["symbols"];

/** The C library, as one thread has it open. */
export class Libc {
  /** The calls: a negative result means that {@linkcode reason} says why. */
  readonly calls: LibcCalls;
  readonly #library: ReturnType<typeof open>;
  readonly #errno: Deno.UnsafePointerView;
  /** `struct pollfd`. */
  readonly #pollfd = new DataView(new ArrayBuffer(8));
  readonly #pollfdBytes = new Uint8Array(this.#pollfd.buffer);

  /** Opens it; `undefined` where {@linkcode Libc.missing} says why not. */
  static open(): Libc | undefined {
    if (Deno.build.os !== "linux") return undefined;
    // Without the permission, opening would prompt.
    const { state } = Deno.permissions.querySync({ name: "ffi" });
    if (state !== "granted") return undefined;
    try {
      return new Libc(open());
    } catch {
      // Another C library.
      return undefined;
    }
  }

  /** Opens it for one call; `undefined` where it cannot be opened. */
  static use<T>(call: (libc: Libc) => T): T | undefined {
    const libc = Libc.open();
    if (libc === undefined) return undefined;
    try {
      return call(libc);
    } finally {
      libc.close();
    }
  }

  /** Why it cannot be opened, or `undefined` if it can. */
  static missing(): string | undefined {
    if (Deno.build.os !== "linux") return "they need Linux";
    if (Libc.use(() => true)) return undefined;
    const { state } = Deno.permissions.querySync({ name: "ffi" });
    return state === "granted"
      ? "they need glibc (libc.so.6)"
      : "they need --allow-ffi";
  }

  private constructor(library: ReturnType<typeof open>) {
    this.#library = library;
    this.calls = library.symbols;
    const errno = this.calls.__errno_location();
    if (errno === null) throw new Error("The C library has no errno");
    this.#errno = new Deno.UnsafePointerView(errno);
  }

  /**
   * Asks whether something can be read, sent or accepted, or has failed for
   * good: whether a call that has just failed did not only mean "not yet".
   *
   * errno would tell the same, but it is read by a call of its own. Between the
   * two the runtime may make others on this thread that fail: it collects
   * garbage, or handles a signal. Taking their errno for that of `recv` would
   * reset a sound connection, or wait for one that is broken. So errno is used
   * for messages only.
   *
   * @param fd The descriptor.
   * @param events {@linkcode POLLIN} or {@linkcode POLLOUT}.
   */
  isReady(fd: number, events: number): boolean {
    this.#pollfd.setInt32(0, fd, true);
    this.#pollfd.setInt16(4, events, true);
    for (let i = 0; i < MAX_POLLS; i++) {
      const count = this.calls.poll_now(this.#pollfdBytes, 1n, 0);
      if (count >= 0) return count > 0;
    }
    return true;
  }

  /** Says in words why the call before has failed: most likely, that is. */
  reason(): string {
    const errno = this.#errno.getInt32();
    const text = this.calls.strerror(errno);
    const words = text === null ? "system error" : readText(text);
    return `${words} (os error ${errno})`;
  }

  /**
   * Makes an error of a call that failed.
   *
   * @param what What could not be done, to follow "Cannot".
   */
  error(what: string): Error {
    const errno = this.#errno.getInt32();
    const message = `Cannot ${what}: ${this.reason()}`;
    return errno === EADDRINUSE
      ? new Deno.errors.AddrInUse(message)
      : new Error(message);
  }

  /** Closes it. */
  close(): void {
    this.#library.close();
  }
}

function readText(text: Deno.PointerObject): string {
  return new Deno.UnsafePointerView(text).getCString();
}
