import { type AllLimits, allLimits } from "../net/limits.ts";
import type { Flag, Flags, FlagValues } from "./command.ts";
import {
  asUsage,
  parseBytes,
  parseNumber,
  parseSeconds,
} from "./flag_values.ts";

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

/** Reads the limits; throws a `UsageError` if one is out of range. */
export function readLimits(flags: FlagValues<typeof LIMIT_FLAGS>): AllLimits {
  return asUsage(RangeError, () =>
    allLimits({
      maxKeyBytes: flags["max-key-size"],
      maxValueBytes: flags["max-value-size"],
      maxRequestBytes: flags["max-request-size"],
      maxConnections: flags["max-connections"],
      maxUnreadBytes: flags["max-unread-size"],
      maxBufferBytes: flags["max-buffer-size"],
      idleTimeoutMs: flags["idle-timeout"],
      requestTimeoutMs: flags["request-timeout"],
      unreadTimeoutMs: flags["unread-timeout"],
    }));
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
