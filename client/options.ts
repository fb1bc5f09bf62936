/**
 * The options of a client and of its requests.
 *
 * @module
 */

import { checkObject, checkWhole, refused } from "../options.ts";
import { checkedToken } from "../protocol/token.ts";
import type { TlsOptions } from "./dial.ts";

/** The longest time limit, which is that of a timer. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Options of `KvsClient.connect()`. */
export interface KvsClientOptions {
  /**
   * The token that the server requires: one line, at most 4,096 bytes.
   *
   * @default no token
   */
  readonly token?: string;
  /**
   * Uses TLS, if given; `{}` trusts the certificates that Deno trusts.
   *
   * @default plain TCP
   */
  readonly tls?: TlsOptions;
  /** Gives up connecting when it aborts; no effect later. */
  readonly signal?: AbortSignal;
  /**
   * How long connecting and authenticating may take, in milliseconds, 1 to
   * 2,147,483,647.
   *
   * @default {5_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * After how many milliseconds without data for a pending request the
   * connection counts as lost, and all pending requests reject: 0 for never, at
   * most 2,147,483,647. `compact()` and `snapshot()` may take longer as long as
   * the server answers another connection within that time.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number;
}

/** Options of a request. */
export interface RequestOptions {
  /**
   * Makes the request reject with its reason when it aborts. The server may
   * carry out the request nevertheless.
   */
  readonly signal?: AbortSignal;
}

/** Which entries `KvsClient.scan()` returns; all by default. */
export interface ClientScanRange {
  /** Only keys that begin with this. */
  readonly prefix?: string;
  /** Only keys that are this one or greater. */
  readonly start?: string;
  /** Only keys that are less than this one. */
  readonly end?: string;
  /**
   * Whether to go from the greatest key to the least.
   *
   * @default {false}
   */
  readonly reverse?: boolean;
  /**
   * The most entries.
   *
   * @default no limit, or 1,000 for a single page
   */
  readonly limit?: number;
}

/** Which entries `KvsClient.scanPage()` returns. */
export interface ClientPageRange extends ClientScanRange {
  /** Only keys after this one in the direction of the scan. */
  readonly after?: string;
  /**
   * Whether to leave the values out.
   *
   * @default {false}
   */
  readonly keys?: boolean;
}

/** A page of a scan. */
export interface ClientScanPage {
  /** The entries, in order. */
  readonly entries: readonly (readonly [key: string, value?: string])[];
  /** Whether there may be more after the last one. */
  readonly more: boolean;
}

/** Whether the answer to a scan is a page. */
export function isScanPage(value: unknown): value is ClientScanPage {
  return typeof value === "object" && value !== null &&
    "more" in value && typeof value.more === "boolean" &&
    "entries" in value && Array.isArray(value.entries) &&
    value.entries.every((entry) =>
      Array.isArray(entry) && typeof entry[0] === "string" &&
      (entry.length === 1 || typeof entry[1] === "string")
    );
}

/** Throws a `TypeError` or `RangeError` that names an invalid option. */
export function checkClientOptions(options: KvsClientOptions): void {
  checkObject("options", options);
  const { token, tls, signal, connectTimeoutMs, timeoutMs } = options;
  if (token !== undefined) {
    // The value stays secret, even if it is invalid.
    if (typeof token !== "string") {
      throw new TypeError(
        `Option token must be a string, found ${typeof token}`,
      );
    }
    checkedToken(token);
  }
  if (tls !== undefined) checkTls(tls);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw refused("signal", "an AbortSignal", signal);
  }
  const unit = "milliseconds";
  checkWhole("connectTimeoutMs", connectTimeoutMs, 1, MAX_TIMEOUT_MS, unit);
  checkWhole("timeoutMs", timeoutMs, 0, MAX_TIMEOUT_MS, unit);
}

function checkTls(tls: TlsOptions): void {
  checkObject("tls", tls);
  const { caCerts = [] } = tls;
  if (!Array.isArray(caCerts)) {
    throw refused("tls.caCerts", "an array of strings", caCerts);
  }
  for (const text of caCerts) {
    if (typeof text === "string") continue;
    throw refused("tls.caCerts", "an array of strings", text);
  }
}
