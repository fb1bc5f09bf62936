/**
 * What can go wrong for a client.
 *
 * @module
 */

/** What the server said of a request that it refused or failed to carry out. */
export class KvsError extends Error {
  /** The class's name. */
  override readonly name = "KvsError";
}

/** Says that there is no connection, or none any more. */
export class ConnectionError extends Error {
  /** The class's name. */
  override readonly name = "ConnectionError";
}
