/**
 * What connections are served on.
 *
 * @module
 */

/** Whom a transport calls back. */
export interface TransportUser {
  /** Called once bytes may be exchanged. */
  opened(): void;
  /**
   * Called with what a read gave.
   *
   * @param count How many bytes; 0 at the end of the stream.
   */
  received(count: number): void;
  /** Called once all that was to be sent has left. */
  sent(): void;
  /** Called if the connection is broken, or anything else fails. */
  failed(error: unknown): void;
}

/**
 * The bytes of one connection. It calls back instead of giving promises, of
 * which one for each request would be dearer than the request. At most one read
 * and one send are under way at a time, and after `close()` nothing is called.
 */
export interface Transport {
  /** Whether bytes are exchanged only after a handshake, which may last. */
  readonly hasHandshake: boolean;
  /** Whether closing it during the handshake frees its socket. */
  readonly canAbort: boolean;
  /** Opens it, and calls the user back from now on. */
  open(user: TransportUser): void;
  /** Reads what comes into room that is left alone until then. */
  read(room: Uint8Array): void;
  /** Sends bytes that are left alone until they have left. */
  send(bytes: Uint8Array): void;
  /** Says that nothing more will be sent. */
  endSending(): void;
  /** Ends it, whatever is under way; a second call does nothing. */
  close(): void;
}

/** Where connections come from. */
export interface TransportListener {
  /**
   * Accepts a connection, once one has come.
   *
   * @throws {Deno.errors.BadResource} If the listener is closed.
   * @throws {Error} If the system refuses.
   */
  accept(): Promise<Transport>;
  /** Called now and then with the time by any clock, in milliseconds. */
  tick(nowMs: number): void;
  /** Stops listening; what was accepted stays open. */
  close(): void;
}
