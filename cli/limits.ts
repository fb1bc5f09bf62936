import { type AllLimits, allLimits } from "../net/limits.ts";
import type { Flag, Flags, FlagValues } from "./command.ts";
import { UsageError } from "./errors.ts";
import { parseBytes, parseNumber, parseSeconds } from "./flag_values.ts";

const DEFAULTS = allLimits();

/** The flags of `kvs serve` that limit what clients may use. */
export const LIMIT_FLAGS = {
  "max-key-size": size("the longest key", DEFAULTS.maxKeyBytes),
  "max-value-size": size("the longest value", DEFAULTS.maxValueBytes),
  "max-request-size": size(
    "the longest request, as it is encoded",
    DEFAULTS.maxRequestBytes,
  ),
  "max-connections": {
    argument: "N",
    help: "connections at a time",
    default: `${DEFAULTS.maxConnections}`,
    heading: "Limits",
    parse: parseNumber,
  },
  "max-unread-size": size(
    "unread answers of a client, after which its requests wait",
    DEFAULTS.maxUnreadBytes,
  ),
  "max-buffer-size": size(
    "unfinished requests and unread answers of all clients, beyond 256K each",
    DEFAULTS.maxBufferBytes,
  ),
  "idle-timeout": seconds(
    "seconds without a request; 0 for no limit",
    DEFAULTS.idleTimeoutMs,
  ),
  "request-timeout": seconds(
    "seconds for a request to arrive whole, and for a client to authenticate",
    DEFAULTS.requestTimeoutMs,
  ),
  "unread-timeout": seconds(
    "seconds for a client to read its answers",
    DEFAULTS.unreadTimeoutMs,
  ),
} satisfies Flags;

/** The flag of each limit. */
const FLAG_OF = {
  maxKeyBytes: "max-key-size",
  maxValueBytes: "max-value-size",
  maxRequestBytes: "max-request-size",
  maxConnections: "max-connections",
  maxUnreadBytes: "max-unread-size",
  maxBufferBytes: "max-buffer-size",
  idleTimeoutMs: "idle-timeout",
  requestTimeoutMs: "request-timeout",
  unreadTimeoutMs: "unread-timeout",
} as const satisfies Record<keyof AllLimits, keyof typeof LIMIT_FLAGS>;

/** Reads the limits; throws a `UsageError` if one is out of range. */
export function readLimits(flags: FlagValues<typeof LIMIT_FLAGS>): AllLimits {
  const limits = Object.entries(FLAG_OF)
    .map(([limit, flag]) => [limit, flags[flag]]);
  try {
    return allLimits(Object.fromEntries(limits));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      Object.entries(FLAG_OF).reduce(
        (message, [limit, flag]) => message.replace(limit, `--${flag}`),
        error.message,
      ),
    );
  }
}

function size(help: string, bytes: number) {
  const exponent = [3, 2, 1].find((n) => bytes % 1024 ** n === 0) ?? 0;
  return {
    argument: "SIZE",
    help,
    default: `${bytes / 1024 ** exponent}${["", "K", "M", "G"][exponent]}`,
    heading: "Limits",
    parse: parseBytes,
  } satisfies Flag;
}

function seconds(help: string, ms: number) {
  return {
    argument: "S",
    help,
    default: `${ms / 1000}`,
    heading: "Limits",
    parse: parseSeconds,
  } satisfies Flag;
}
