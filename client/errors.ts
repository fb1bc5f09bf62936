/**
 * The errors of a client.
 *
 * @module
 */

/** The server refused a request or failed to carry it out. */
export class KvsError extends Error {
  /** The class's name. */
  override readonly name = "KvsError";
}

/** There is no connection, or it is lost. */
export class ConnectionError extends Error {
  /** The class's name. */
  override readonly name = "ConnectionError";
}

/** Says in milliseconds or seconds that a time limit has passed. */
export function noAnswerWithin(ms: number): string {
  return `no answer within ${ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`}`;
}
