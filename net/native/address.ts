/**
 * Addresses as the system spells them.
 *
 * @module
 */

import type { Libc } from "./libc.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;

/** `struct sockaddr_in` and `struct sockaddr_in6`. */
const IPV4_BYTES = 16;
const IPV4_HOST_AT = 4;
const IPV6_BYTES = 28;
const IPV6_HOST_AT = 8;

/**
 * Says whether the system can spell an address.
 *
 * @param libc The system.
 * @param address The address.
 */
export function isIpAddress(libc: Libc, address: Deno.NetAddr): boolean {
  return socketAddress(libc, address) !== undefined;
}

/**
 * Spells an address as a `struct sockaddr`.
 *
 * @param libc The system.
 * @param address The address; its host is a number, not a name.
 * @returns The bytes, or `undefined` if the host is none of IPv4 or IPv6.
 */
export function socketAddress(
  libc: Libc,
  { hostname, port }: Deno.NetAddr,
): Uint8Array<ArrayBuffer> | undefined {
  const text = new TextEncoder().encode(`${hostname}\0`);
  for (const family of [AF_INET, AF_INET6]) {
    const isIpv4 = family === AF_INET;
    const bytes = new Uint8Array(isIpv4 ? IPV4_BYTES : IPV6_BYTES);
    const host = bytes.subarray(isIpv4 ? IPV4_HOST_AT : IPV6_HOST_AT);
    if (libc.calls.inet_pton(family, text, host) !== 1) continue;
    new Uint16Array(bytes.buffer, 0, 1)[0] = family;
    new DataView(bytes.buffer).setUint16(2, port);
    return bytes;
  }
  return undefined;
}
