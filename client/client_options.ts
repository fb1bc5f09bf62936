/**
 * How a client connects, and how long it waits.
 *
 * @module
 */

import { checkObject, checkWhole, refused } from "../options.ts";
import type { TlsOptions } from "./dial.ts";
import { checkedToken } from "../protocol/token.ts";

/** The longest time limit: as much as a timer takes. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Options of `KvsClient.connect()`. */
export interface KvsClientOptions {
  /**
   * What the server wants to be shown before anything else: one line, at most
   * 4,096 bytes.
   *
   * @default nothing is shown
   */
  readonly token?: string;
  /**
   * Speaks TLS, if given; `{}` trusts what Deno trusts.
   *
   * @default plain TCP
   */
  readonly tls?: TlsOptions;
  /** Gives up connecting when it aborts; later it changes nothing. */
  readonly signal?: AbortSignal;
  /**
   * How long to wait for the connection, and for being let in, in
   * milliseconds, 1 to 2,147,483,647.
   *
   * @default {5_000}
   */
  readonly connectTimeoutMs?: number;
  /**
   * After how many milliseconds in which nothing comes of a request the
   * connection counts as lost, and all requests under way reject: 0 for never,
   * at most 2,147,483,647. `compact()` and
   * `snapshot()` may take longer, as long as the server
   * answers another connection within that time.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number;
}

/**
 * Checks the options of a client.
 *
 * @param options The options.
 * @throws {TypeError} If one is of another type than it says.
 * @throws {RangeError} If a time limit is out of range, or the token none.
 */
export function checkClientOptions(options: KvsClientOptions): void {
  checkObject("options", options);
  const { token, tls, signal, connectTimeoutMs, timeoutMs } = options;
  if (token !== undefined) {
    // What it is like stays a secret, even where it is none.
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
