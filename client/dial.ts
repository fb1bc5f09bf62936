/**
 * Connecting to a server.
 *
 * @module
 */

import { type Addr, formatAddr } from "../addr.ts";
import { ConnectionError, noAnswerWithin } from "./errors.ts";

/** How a client verifies the server. */
export interface TlsOptions {
  /**
   * Certificates of authorities (PEM) to trust besides those that Deno trusts,
   * at least one in each text.
   *
   * @default {[]}
   */
  readonly caCerts?: readonly string[];
}

/** How the runtime says that the answer is not TLS. */
const NOT_TLS = /\bInvalidContentType\b/;

/** Whether a text has a certificate; the runtime ignores one that has none. */
export function holdsCertificate(pem: string): boolean {
  return pem.includes("-----BEGIN CERTIFICATE-----");
}

/** Options of {@linkcode dial}. */
interface DialOptions {
  /** Uses TLS, if given. */
  readonly tls?: TlsOptions;
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
  /** The time limit for everything, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Connects to a server and prepares the connection within a time limit. Throws
 * a {@linkcode ConnectionError} if that fails, or a `TypeError` if a text holds
 * no certificate.
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
      { cause: error },
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
    // TLS has taken it over, or it is closed already.
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Checks over a connection of its own that a server responds, be it only to
 * refuse another client. The token keeps the server from counting the probe as
 * a failed authentication.
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
