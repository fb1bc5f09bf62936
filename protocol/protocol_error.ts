/**
 * What the server says of bytes that are no request.
 *
 * @module
 */

/** Options of {@linkcode ProtocolError}. */
export interface ProtocolErrorOptions {
  /**
   * Whether the connection is of no use any more, since nobody can tell where
   * the next request begins, or whether it is one.
   *
   * @default {false}
   */
  readonly fatal?: boolean;
  /**
   * Whether the bytes are no JSON object at all, rather than a wrong one.
   *
   * @default {false}
   */
  readonly malformed?: boolean;
}

/** Says why bytes are not a request of the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  /** Tells it apart from the requests among which it stands. */
  readonly kind = "invalid";
  /** Whether the connection must close once this error is answered. */
  readonly fatal: boolean;
  /** Whether the bytes are no JSON object at all. */
  readonly malformed: boolean;

  /**
   * Makes an error.
   *
   * @param message What is wrong, for the client to read.
   * @param options Whether it ends the connection, and what kind it is.
   */
  constructor(
    message: string,
    { fatal = false, malformed = false }: ProtocolErrorOptions = {},
  ) {
    super(message);
    this.fatal = fatal;
    this.malformed = malformed;
  }
}
