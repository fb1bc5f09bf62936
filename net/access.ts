/**
 * Who may reach a server, and how.
 *
 * @module
 */

import type { Counters } from "../monitor/counters.ts";
import { isLoopback, parseAddr } from "../addr.ts";
import { AuthSession } from "./auth_session.ts";
import { DenoListener } from "./deno_sockets.ts";
import type { MakeSession, Session } from "./session.ts";

/** What a server asks of those who connect. */
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
}

/** Where to listen. */
export interface ListenerOptions {
  /** The host. */
  readonly hostname: string;
  /** The port; 0 is any free one. */
  readonly port: number;
  /** Whether others of this user may listen there as well. */
  readonly reusePort?: boolean;
}

/**
 * Listens as the access demands.
 *
 * @param options Where.
 * @param access Whether TLS is spoken.
 * @returns The listener.
 * @throws {Error} If that is not possible, or if certificate or key are none.
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

/**
 * Puts the demand for a token in front of sessions, if there is one.
 *
 * @param makeSession Makes the sessions.
 * @param access Whether a token is asked for.
 * @param counters Counts who shows it, and what is refused.
 * @returns What makes them now.
 */
export function guarded(
  makeSession: MakeSession,
  { tokenHash }: Access,
  counters: Counters,
): () => Session {
  return tokenHash === undefined
    ? () => makeSession(false)
    : () => new AuthSession(tokenHash, makeSession, counters);
}

/**
 * Checks that a server that asks for no token is out of others' reach.
 *
 * @param addr Where it is to listen.
 * @throws {TypeError} If that is no address.
 * @throws {Error} If it is not a loopback address.
 */
export function checkReachWithoutToken(addr: string): void {
  if (isLoopback(parseAddr(addr).hostname)) return;
  throw new Error(
    `Cannot listen on ${addr} without a token, since whoever reaches it could read and change everything: set one with --auth-file FILE or KVS_TOKEN (option token), or listen on 127.0.0.1`,
  );
}
