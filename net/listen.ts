/**
 * Listening with Deno's sockets or with those of the C library.
 *
 * @module
 */

import { DenoListener } from "./deno_sockets.ts";
import { isIpAddress } from "./native/address.ts";
import { Descriptors } from "./native/descriptors.ts";
import { Libc } from "./native/libc.ts";
import { SocketListener } from "./native/socket_listener.ts";
import { SocketLoop } from "./native/socket_loop.ts";

/** Which sockets to serve on. */
export type SocketChoice =
  /** The C library's where that is possible, else Deno's. */
  | "auto"
  /** Those of `Deno.listen`. */
  | "deno"
  /** The C library's, or an error. */
  | "native";

/** All choices, the default first. */
export const SOCKET_CHOICES: readonly SocketChoice[] = [
  "auto",
  "deno",
  "native",
];

/** What a server asks of clients, and what it serves them on. */
export interface Access {
  /**
   * The hash of the token that clients show first.
   *
   * @default none is asked for
   */
  readonly tokenHash?: Uint8Array;
  /**
   * The certificate and its key, both PEM, to speak TLS.
   *
   * @default plain TCP
   */
  readonly tls?: Deno.TlsCertifiedKeyPem;
  /**
   * Which sockets to serve on.
   *
   * @default {"auto"}
   */
  readonly sockets?: SocketChoice;
}

/** Where to listen. */
export interface ListenerOptions {
  readonly hostname: string;
  /** The port; 0 is any free one. */
  readonly port: number;
  /** Whether others of this user may listen there as well. */
  readonly reusePort?: boolean;
}

/**
 * Listens with Deno's sockets.
 *
 * @throws {Error} If it cannot listen there, or certificate or key are none.
 */
export function listen(
  options: ListenerOptions,
  { tls }: Access,
): DenoListener {
  return new DenoListener(
    tls === undefined
      ? Deno.listen({ ...options })
      : Deno.listenTls({ ...options, ...tls }),
  );
}

/** Why the C library's sockets cannot be used, or `undefined` if they can. */
export function nativeSocketsMissing({ tls }: Access): string | undefined {
  return tls === undefined ? Libc.missing() : "they do not speak TLS";
}

/** What to listen with in a Worker, see {@linkcode listenNatively}. */
export interface NativeListenerOptions {
  readonly address: Deno.NetAddr;
  /** Where the descriptors of the Worker are noted. */
  readonly descriptors: Int32Array<SharedArrayBuffer>;
  /** The most connections to accept before the first is asked for. */
  readonly acceptAhead: number;
}

/**
 * Listens with the C library's sockets and shares the port, unless Deno's are
 * asked for, or they alone can be used.
 *
 * @throws {Error} If it cannot listen there.
 */
export function listenNatively(
  { address, descriptors, acceptAhead }: NativeListenerOptions,
  { tls, sockets = "auto" }: Access,
): { listener: SocketListener; loop: SocketLoop } | undefined {
  if (sockets === "deno" || tls !== undefined) return undefined;
  const libc = Libc.open();
  if (libc === undefined) return undefined;
  if (sockets === "auto" && !isIpAddress(libc, address)) {
    libc.close();
    return undefined;
  }
  const loop = new SocketLoop(libc, new Descriptors(descriptors));
  return { listener: new SocketListener(loop, address, acceptAhead), loop };
}
