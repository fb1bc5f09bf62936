/**
 * A small HTTP server.
 *
 * @module
 */

import { type Addr, formatAddr } from "../addr.ts";

/** The most bytes of a request up to its empty line. */
const MAX_HEAD_BYTES = 8 * 1024;

/** How long to pause after a connection could not be accepted, in ms. */
const ACCEPT_RETRY_MS = 50;

/** A request. */
export interface HttpRequest {
  /** The method. */
  readonly method: string;
  /** The path, without a query. */
  readonly path: string;
}

/** An answer. */
export interface HttpReply {
  /** The status code. */
  readonly status: number;
  /** Further lines of the head. */
  readonly headers: Readonly<Record<string, string>>;
  /** The content. */
  readonly text: string;
}

/** Options of {@linkcode HttpListener}. */
export interface HttpListenerOptions {
  /** Answers a request. */
  readonly answer: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
  /** Called with what fails on the side of the server. */
  readonly onError: (what: string, error: unknown) => void;
  /**
   * The most connections at a time: a further one ends the oldest.
   *
   * @default {16}
   */
  readonly maxConnections?: number;
  /**
   * How long a connection may last, in milliseconds.
   *
   * @default {10_000}
   */
  readonly timeoutMs?: number;
}

/**
 * Serves HTTP/1.1 to strangers: one request a connection, with a bound on the
 * number of connections and on the age of each. `Deno.serve` has no such
 * bounds, and ends the process where the system refuses a connection.
 */
export class HttpListener {
  /** Where it listens, as `host:port`. */
  readonly addr: string;
  readonly #options: HttpListenerOptions;
  readonly #listener: Deno.TcpListener;
  /** The oldest first, with the end of the serving of each. */
  readonly #connections = new Map<Deno.TcpConn, Promise<void>>();
  readonly #accepting: Promise<void>;
  #isClosed = false;

  /**
   * Listens.
   *
   * @param addr Where to; port 0 is any free one.
   * @param options See {@linkcode HttpListenerOptions}.
   * @throws {Error} If it can't listen there.
   */
  constructor({ hostname, port }: Addr, options: HttpListenerOptions) {
    this.#options = options;
    this.#listener = Deno.listen({ hostname, port });
    this.addr = formatAddr(this.#listener.addr as Deno.NetAddr);
    this.#accepting = this.#accept();
  }

  /** Ends it at once, with all its connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    for (const conn of this.#connections.keys()) closeQuietly(conn);
    await this.#accepting;
    await Promise.all(this.#connections.values());
  }

  async #accept(): Promise<void> {
    const { maxConnections = 16, onError } = this.#options;
    while (!this.#isClosed) {
      try {
        const conn = await this.#listener.accept();
        if (this.#connections.size >= maxConnections) {
          const [[oldest, served]] = this.#connections;
          closeQuietly(oldest);
          // Only then has the system its descriptor back.
          await served;
        }
        this.#connections.set(conn, this.#serve(conn));
      } catch (error) {
        if (this.#isClosed) return;
        // Out of descriptors, for instance: it passes.
        onError("Cannot accept connections for metrics", error);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_RETRY_MS));
      }
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const { timeoutMs = 10_000 } = this.#options;
    const timer = setTimeout(() => closeQuietly(conn), timeoutMs);
    try {
      const head = await readHead(conn);
      if (head === undefined) return;
      await writeAll(conn, spell(head, await this.#answer(head)));
      // To close while something unread arrives would reset the connection,
      // and take the answer back.
      await conn.closeWrite();
      const waste = new Uint8Array(4096);
      while (await conn.read(waste) !== null);
    } catch {
      // The client is gone, or its time is over.
    } finally {
      clearTimeout(timer);
      closeQuietly(conn);
      this.#connections.delete(conn);
    }
  }

  async #answer(head: string): Promise<HttpReply> {
    const request = parseRequest(head);
    if (typeof request === "number") return plain(request, "Bad request\n");
    try {
      return await this.#options.answer(request);
    } catch (error) {
      this.#options.onError("Cannot collect metrics", error);
      return plain(500, "Cannot collect metrics\n");
    }
  }
}

/**
 * Makes an answer of plain text.
 *
 * @param status The status code.
 * @param text The text.
 * @param headers Further lines of the head.
 */
export function plain(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
    text,
  };
}

/** Reads up to the empty line; `undefined` where the client ends before it. */
async function readHead(conn: Deno.TcpConn): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(MAX_HEAD_BYTES);
  let head = "";
  while (!/\r?\n\r?\n/.test(head) && head.length < MAX_HEAD_BYTES) {
    const count = await conn.read(chunk);
    if (count === null) return undefined;
    head += decoder.decode(chunk.subarray(0, count), { stream: true });
  }
  return head;
}

/** What the head asks for, or the status that says what is wrong with it. */
function parseRequest(head: string): HttpRequest | number {
  const [line] = head.split("\n", 1);
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]\r?$/.exec(line) ??
    [];
  if (target === undefined) return 400;
  if (!/\r?\n\r?\n/.test(head)) return 431;
  const url = URL.parse(target, "http://localhost");
  return url === null ? 400 : { method, path: url.pathname };
}

function spell(head: string, { status, headers, text }: HttpReply): Uint8Array {
  const encoder = new TextEncoder();
  const { length } = encoder.encode(text);
  const lines = Object.entries(headers).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  return encoder.encode(
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}\r\n${
      lines.join("")
    }content-length: ${length}\r\nconnection: close\r\n\r\n${
      head.startsWith("HEAD ") ? "" : text
    }`,
  );
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
};

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let left = bytes; left.length > 0;) {
    left = left.subarray(await conn.write(left));
  }
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}
