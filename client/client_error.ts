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

/**
 * Says that a time limit has passed.
 *
 * @param ms The limit, in milliseconds.
 * @returns What to say.
 */
export function noAnswerWithin(ms: number): string {
  return `no answer within ${ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`}`;
}
