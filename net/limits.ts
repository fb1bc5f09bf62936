/**
 * What one client may use up.
 *
 * @module
 */

import {
  type RequestLimits,
  requestLimits,
} from "../protocol/request_limits.ts";

/** How much clients may use up, of size and of time. */
export interface ServerLimits extends RequestLimits {
  /**
   * The most connections at a time, 1 to 1,000,000. A further one gets a line
   * with the error and is closed.
   *
   * @default {10_000}
   */
  readonly maxConnections?: number;
  /**
   * After how many milliseconds without a request to close a connection; 0 is
   * never. By default it is never: clients keep connections in reserve, and
   * how many there are is limited.
   *
   * @default {0}
   */
  readonly idleTimeoutMs?: number;
  /**
   * How many milliseconds a request may take from its first byte to its last,
   * and a new client to show the token or to agree on TLS; 0 is for ever.
   *
   * @default {60_000}
   */
  readonly requestTimeoutMs?: number;
  /**
   * How many bytes of answers may wait for a client to read them, from 1 to
   * 268,435,456, and the answer that exceeds it; until they are read, no more
   * of its requests are run or read.
   *
   * @default {1_048_576}
   */
  readonly maxUnreadBytes?: number;
  /**
   * After how many milliseconds to close the connection of a client that has
   * not read those answers; 0 is never.
   *
   * @default {60_000}
   */
  readonly unreadTimeoutMs?: number;
  /**
   * How many bytes unfinished requests and unread answers may take in all, not
   * counting the first 256 KiB of each; at least 1,048,576. Where there is no
   * room for more, the connection that wants it is closed.
   *
   * @default {1_073_741_824}
   */
  readonly maxBufferBytes?: number;
}

/** All limits, with a number for each. */
export type AllLimits = Required<ServerLimits>;

const MEBIBYTE = 1024 * 1024;

/** The longest timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Adds the defaults of the limits that are not given.
 *
 * @throws {RangeError} If one is out of range.
 */
export function allLimits(limits: ServerLimits = {}): AllLimits {
  const checked = (
    name: keyof ServerLimits,
    byDefault: number,
    least: number,
    most: number,
  ) => {
    const value = limits[name] ?? byDefault;
    if (Number.isInteger(value) && value >= least && value <= most) {
      return value;
    }
    throw new RangeError(
      `Cannot limit ${name} to ${value}: expected a whole number from ${least} to ${most}`,
    );
  };
  const timeout = (name: keyof ServerLimits, byDefaultMs: number) =>
    checked(name, byDefaultMs, 0, MAX_TIMEOUT_MS);
  return {
    ...requestLimits(limits),
    maxConnections: checked("maxConnections", 10_000, 1, 1_000_000),
    idleTimeoutMs: timeout("idleTimeoutMs", 0),
    requestTimeoutMs: timeout("requestTimeoutMs", 60_000),
    maxUnreadBytes: checked("maxUnreadBytes", MEBIBYTE, 1, 256 * MEBIBYTE),
    unreadTimeoutMs: timeout("unreadTimeoutMs", 60_000),
    maxBufferBytes: checked(
      "maxBufferBytes",
      1024 * MEBIBYTE,
      MEBIBYTE,
      2 ** 40,
    ),
  };
}
