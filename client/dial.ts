/**
 * Connecting to a server.
 *
 * @module
 */

import { type Addr, formatAddr } from "./addr.ts";
import { ConnectionError, noAnswerWithin } from "./client_error.ts";

/** How a client makes sure that it talks to the right server. */
export interface TlsOptions {
  /**
   * Certificates of authorities to trust, PEM, besides those that Deno trusts;
   * at least one in each text.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[];
}

/** How the runtime says that what came is no TLS. */
const NOT_TLS = /\bInvalidContentType\b/;

/**
 * Tells whether there is a certificate in a text. The runtime would trust none
 * where there is none, and say no word.
 *
 * @param pem The text.
 */
export function holdsCertificate(pem: string): boolean {
  return pem.includes("-----BEGIN CERTIFICATE-----");
}

/** Options of {@linkcode dial}. */
export interface DialOptions {
  /** Speaks TLS, if given. */
  readonly tls?: TlsOptions;
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Connects to a server, and gets ready what has to be before the first
 * request, all within a time limit.
 *
 * @typeParam T What is made of the connection.
 * @param addr Where it listens.
 * @param options How to connect.
 * @param prepare Makes it; the connection is closed if that fails.
 * @returns What was made.
 * @throws {TypeError} If there is no certificate where there ought to be.
 * @throws {ConnectionError} If nobody answers there in time, or not as wanted.
 */
export async function dial<T>(
  addr: Addr,
  { tls, signal, timeoutMs }: DialOptions,
  prepare: (conn: Deno.Conn) => Promise<T>,
): Promise<T> {
  const bareAt = tls?.caCerts?.findIndex((pem) => !holdsCertificate(pem)) ?? -1;
  if (bareAt >= 0) {
    throw new TypeError(`No certificate in caCerts[${bareAt}]`);
  }
  const timeout = AbortSignal.timeout(timeoutMs);
  const limit = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let conn: Deno.Conn | undefined;
  const close = () => closeQuietly(conn);
  try {
    const tcp = await Deno.connect({ ...addr, signal: limit });
    conn = tcp;
    limit.addEventListener("abort", close);
    limit.throwIfAborted();
    tcp.setNoDelay(true);
    if (tls !== undefined) {
      const secured = await Deno.startTls(tcp, {
        hostname: addr.hostname,
        caCerts: [...tls.caCerts ?? []],
      });
      conn = secured;
      limit.throwIfAborted();
      await secured.handshake();
    }
    const prepared = await prepare(conn);
    limit.throwIfAborted();
    return prepared;
  } catch (error) {
    close();
    signal?.throwIfAborted();
    const reason = timeout.aborted
      ? noAnswerWithin(timeoutMs)
      : reasonOf(error);
    throw new ConnectionError(
      `Cannot connect to ${formatAddr(addr)}: ${reason}`,
      {
        cause: error,
      },
    );
  } finally {
    limit.removeEventListener("abort", close);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.ConnectionRefused) {
    return "Connection refused; is 'kvs serve' running there?";
  }
  if (!(error instanceof Error)) return String(error);
  if (NOT_TLS.test(error.message)) return "the server does not speak TLS";
  const { cause } = error;
  return cause instanceof ConnectionError ? cause.message : error.message;
}

function closeQuietly(conn: Deno.Conn | undefined): void {
  try {
    conn?.close();
  } catch (error) {
    // It was given to TLS, or is closed already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Asks a server for a sign of life, over a connection of its own: any answer
 * is one, be it that the server has no room for another client.
 *
 * @param addr Where it listens.
 * @param options How to connect, and how long to wait for the answer.
 * @param token What to show, so that the server does not take it for a break-in.
 * @throws {ConnectionError} If there is none.
 */
export async function probe(
  addr: Addr,
  options: DialOptions,
  token: string | undefined,
): Promise<void> {
  const request = token === undefined
    ? { Get: { key: "" } }
    : { Auth: { token } };
  const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
  await dial(addr, options, async (conn) => {
    await conn.write(line);
    const read = await conn.read(new Uint8Array(1));
    conn.close();
    if (read === null) throw new Error("no answer");
  });
}
