import { type AllLimits, allLimits, type ServerLimits } from "../net/limits.ts";
import type { ParsedArgs } from "./args.ts";
import { parseBytes } from "./bytes.ts";
import { UsageError } from "./errors.ts";

/** The flags of `kvs serve` that say what clients may use up. */
export const LIMIT_FLAGS = {
  "max-key-size": undefined,
  "max-value-size": undefined,
  "max-request-size": undefined,
  "max-connections": undefined,
  "max-unread-size": undefined,
  "max-buffer-size": undefined,
  "idle-timeout": undefined,
  "request-timeout": undefined,
  "unread-timeout": undefined,
};

/** How `--help` describes {@linkcode LIMIT_FLAGS}. */
export const LIMITS_HELP = `
Limits:
  --max-key-size SIZE      the longest key (default 65535)
  --max-value-size SIZE    the longest value (default 32M)
  --max-request-size SIZE  the longest request, as it is spelled (default 64M)
  --max-connections N      connections at a time (default 10000)
  --max-unread-size SIZE   answers that wait for a client to read them, before
                           no more of its requests are run (default 1M)
  --max-buffer-size SIZE   what unfinished requests and unread answers beyond
                           256K may take in all (default 1G)
  --idle-timeout S         seconds without a request (default 0: for ever)
  --request-timeout S      seconds for a request from its first byte to its
                           last, and to authenticate (default 60)
  --unread-timeout S       seconds for a client to read its answers (default 60)
`;

/**
 * Reads the limits.
 *
 * @param args The parsed arguments.
 * @returns All of them.
 * @throws {UsageError} If one is none.
 */
export function readLimits(args: ParsedArgs): AllLimits {
  const bytes = (flag: string) => parseBytes(flag, args.value(flag));
  const timeout = (flag: string) => {
    const seconds = parseNumber(flag, args.value(flag));
    return seconds && Math.ceil(seconds * 1000);
  };
  const limits: ServerLimits = {
    maxKeyBytes: bytes("max-key-size"),
    maxValueBytes: bytes("max-value-size"),
    maxRequestBytes: bytes("max-request-size"),
    maxConnections: parseNumber(
      "max-connections",
      args.value("max-connections"),
    ),
    maxUnreadBytes: bytes("max-unread-size"),
    maxBufferBytes: bytes("max-buffer-size"),
    idleTimeoutMs: timeout("idle-timeout"),
    requestTimeoutMs: timeout("request-timeout"),
    unreadTimeoutMs: timeout("unread-timeout"),
  };
  try {
    return allLimits(limits);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

function parseNumber(
  flag: string,
  text: string | undefined,
): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,10}(\.[0-9]{1,3})?$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} must be a number, found "${text}"`);
}
