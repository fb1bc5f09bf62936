/**
 * Addresses as people write them.
 *
 * @module
 */

/** Where a server listens. */
export interface Addr {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly hostname: string;
  /** The TCP port, 0 to 65,535; a server that listens on 0 gets a free one. */
  readonly port: number;
}

const SHAPE = /^(?:\[([^\]]*)\]|([^:]*)):([^:]*)$/;
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;
const IPV6 = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?$/;
const EXPECTED = "expected HOST:PORT, as in 127.0.0.1:4000";
const MAX_PORT = 65_535;

/**
 * Reads an address.
 *
 * @param text `HOST:PORT`; an IPv6 address stands in brackets.
 * @returns The address.
 * @throws {TypeError} If the text is no address; the message says why.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseAddr("[::1]:4000"), { hostname: "::1", port: 4000 });
 * ```
 */
export function parseAddr(text: string): Addr {
  if (text.includes("://")) {
    throw invalid(text, `${EXPECTED}, without ${text.split("//")[0]}//`);
  }
  const match = SHAPE.exec(text);
  if (match === null) {
    throw invalid(
      text,
      text.indexOf(":") !== text.lastIndexOf(":")
        ? "an IPv6 address needs brackets, as in [::1]:4000"
        : EXPECTED,
    );
  }
  const [, ipv6, name, port] = match;
  if (ipv6 === undefined ? !NAME.test(name) : !IPV6.test(ipv6)) {
    throw invalid(text, `${JSON.stringify(ipv6 ?? name)} is not a host`);
  }
  if (!/^\d+$/.test(port) || Number(port) > MAX_PORT) {
    throw invalid(
      text,
      `port must be a number from 0 to ${MAX_PORT}, found ${
        JSON.stringify(port)
      }`,
    );
  }
  return { hostname: ipv6 ?? name, port: Number(port) };
}

/**
 * Writes an address as {@linkcode parseAddr} reads it.
 *
 * @param addr The address.
 * @returns `HOST:PORT`.
 */
export function formatAddr({ hostname, port }: Addr): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/**
 * Tells whether only this machine can reach a host, in any spelling of it that
 * a system takes. A name that some table makes one of those is not known here.
 *
 * @param hostname The host, as in an {@linkcode Addr}.
 * @returns Whether it is `localhost`, or an address made for that.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isLoopback("127.0.0.1"));
 * assert(isLoopback("0:0:0:0:0:0:0:1"));
 * assert(!isLoopback("0.0.0.0"));
 * ```
 */
export function isLoopback(hostname: string): boolean {
  const host = canonicalHost(hostname);
  return host === "localhost" || host === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(host) ||
    /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(host);
}

/**
 * Spells a host in the one canonical way.
 *
 * @param hostname The host, as in an {@linkcode Addr}.
 * @returns The same as a URL has it, IPv6 in brackets; empty if it is none.
 */
export function canonicalHost(hostname: string): string {
  return URL.parse(`http://${formatAddr({ hostname, port: 0 })}`)?.hostname ??
    "";
}

function invalid(text: string, why: string): TypeError {
  return new TypeError(`Invalid address ${JSON.stringify(text)}: ${why}`);
}
