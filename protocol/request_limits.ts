/**
 * How large requests and their parts may be.
 *
 * @module
 */

import { ProtocolError } from "./request.ts";

/** How large requests and their parts may be. */
export interface RequestLimits {
  /**
   * The longest key, in bytes.
   *
   * @default {65_535}
   */
  readonly maxKeyBytes?: number;
  /**
   * The longest value, in bytes.
   *
   * @default {33_554_432}
   */
  readonly maxValueBytes?: number;
  /**
   * The longest request, in bytes, as it is spelled on the wire. At most
   * 268,435,456, beyond which it does not fit into a string.
   *
   * @default {67_108_864}
   */
  readonly maxRequestBytes?: number;
}

export const LARGEST_REQUEST_BYTES = 256 * 1024 * 1024;

/**
 * Adds the defaults of the limits that are not given.
 *
 * @throws {RangeError} If a limit is not a number of bytes, or too large.
 */
export function requestLimits({
  maxKeyBytes = 65_535,
  maxValueBytes = 32 * 1024 * 1024,
  maxRequestBytes = 64 * 1024 * 1024,
}: RequestLimits = {}): Required<RequestLimits> {
  return {
    maxKeyBytes: checkedLimit("maxKeyBytes", maxKeyBytes),
    maxValueBytes: checkedLimit("maxValueBytes", maxValueBytes),
    maxRequestBytes: checkedLimit("maxRequestBytes", maxRequestBytes),
  };
}

/**
 * Checks a pair that is to be set without a server, by the limits that a server
 * has by default.
 *
 * @param keyBytes The length of the key in UTF-8.
 * @param valueBytes The length of the value in UTF-8.
 * @throws {ProtocolError} If one is too long, as the server says it.
 */
export function checkPairSize(keyBytes: number, valueBytes: number): void {
  const { maxKeyBytes, maxValueBytes } = DEFAULT_LIMITS;
  if (keyBytes > maxKeyBytes) throw tooLong("key", keyBytes, maxKeyBytes);
  if (valueBytes > maxValueBytes) {
    throw tooLong("value", valueBytes, maxValueBytes);
  }
}

/** The error for what is too long; it names the option of `kvs serve`. */
export function tooLong(
  what: "key" | "value" | "request",
  bytes: number,
  limit: number,
): ProtocolError {
  const name = what.replace(/^./, (initial) => initial.toUpperCase());
  return new ProtocolError(
    `${name} of ${bytes} bytes exceeds the limit of ${limit} bytes (--max-${what}-size)`,
  );
}

function checkedLimit(name: string, bytes: number): number {
  if (
    !Number.isInteger(bytes) || bytes < 0 || bytes > LARGEST_REQUEST_BYTES
  ) {
    throw new RangeError(
      `Cannot limit ${name} to ${bytes}: expected a whole number of bytes, at most ${LARGEST_REQUEST_BYTES}`,
    );
  }
  return bytes;
}

const DEFAULT_LIMITS = requestLimits();
