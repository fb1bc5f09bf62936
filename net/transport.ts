/**
 * What connections are served on.
 *
 * @module
 */

/** Told of what happens to a transport. */
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
  /** Whether bytes are exchanged only after a handshake, which may last… */
  readonly hasHandshake: boolean;
  /** …and whether to close it until then is to free it. */
  readonly canAbort: boolean;
  /**
   * Begins.
   *
   * @param user Told of everything from now on.
   */
  open(user: TransportUser): void;
  /**
   * Reads what has come, once something has.
   *
   * @param room Where to put it, to be left alone until then.
   */
  read(room: Uint8Array): void;
  /**
   * Sends bytes.
   *
   * @param bytes What to send, to be left alone until then.
   */
  send(bytes: Uint8Array): void;
  /** Says that nothing more will be sent. */
  endSending(): void;
  /** Ends it, whatever is under way. Again, it does nothing. */
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
  /** Called from time to time, with the time by any clock, in milliseconds. */
  tick(nowMs: number): void;
  /** Listens no more. What was accepted stays. */
  close(): void;
}
