/**
 * Feeds bytes to the protocol as a connection would.
 *
 * @module
 */

import type { KvsRequest, ProtocolError } from "../../protocol/request.ts";
import { RequestBuffer } from "../../protocol/json/request_buffer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Puts bytes into a buffer, as one read or as many as it has room for.
 *
 * @param requests The buffer.
 * @param bytes The bytes.
 * @param onRead Told after each read.
 * @param readBytes How many bytes a read brings at most.
 */
export function feed(
  requests: RequestBuffer,
  bytes: Uint8Array,
  onRead: () => void = () => {},
  readBytes = Infinity,
): void {
  for (let at = 0; at < bytes.length;) {
    const space = requests.space();
    const count = Math.min(space.length, bytes.length - at, readBytes);
    space.set(bytes.subarray(at, at + count));
    requests.commit(count);
    at += count;
    onRead();
  }
}

/**
 * Spells a request out for comparison: `get k`, `set k=v`, `! message`.
 *
 * @param request The request, or what is wrong with it.
 * @returns The text.
 */
export function shown(request: KvsRequest | ProtocolError): string {
  switch (request.kind) {
    case "get":
    case "remove":
      return `${request.kind} ${decoder.decode(request.key)}`;
    case "set":
      return `set ${decoder.decode(request.key)}=${
        decoder.decode(request.value)
      }`;
    case "scan": {
      const { prefix, start, end, after, ...rest } = request.range;
      const texts = Object.entries({ prefix, start, end, after })
        .map(([name, bytes]) => [name, bytes && decoder.decode(bytes)]);
      return `scan ${
        JSON.stringify({ ...Object.fromEntries(texts), ...rest })
      }`;
    }
    case "snapshot":
      return `snapshot ${request.isRelease}`;
    case "compact":
    case "stats":
      return request.kind;
    case "auth":
      return `auth ${decoder.decode(request.token)}`;
    case "invalid":
      return `! ${request.message}`;
  }
}

/**
 * Takes whatever is whole.
 *
 * @param requests The buffer.
 * @returns The requests, spelled out.
 */
export function takeAll(requests: RequestBuffer): string[] {
  const taken: string[] = [];
  for (let next = requests.next(); next; next = requests.next()) {
    taken.push(shown(next));
  }
  return taken;
}

/**
 * Sends text over a connection of its own, to the end of the stream.
 *
 * @param text The text, or bytes.
 * @param readBytes How many bytes a read brings at most.
 * @param options Whether the connection has begun before the text.
 * @returns The requests, spelled out.
 */
export function received(
  text: string | Uint8Array,
  readBytes = Infinity,
  { hasBegun = false } = {},
): string[] {
  const requests = new RequestBuffer();
  if (hasBegun) requests.hasBegun = true;
  const taken: string[] = [];
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  feed(requests, bytes, () => taken.push(...takeAll(requests)), readBytes);
  requests.end();
  return [...taken, ...takeAll(requests)];
}
