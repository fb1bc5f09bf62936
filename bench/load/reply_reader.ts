/**
 * Counting replies with as little work as can be.
 *
 * @module
 */

import type { Libc } from "./libc.ts";
import { REPLY_END, type ReplyShape } from "./requests.ts";

/** Room for what one call receives. */
const ROOM_BYTES = 256 * 1024;

/**
 * Receives replies that all have one shape. It looks at two bytes of each, and
 * thereby tells apart the right answer, an error, and a missing key.
 */
export class ReplyReader {
  readonly #libc: Libc;
  readonly #shape: ReplyShape;
  readonly #bytes = new Uint8Array(ROOM_BYTES);
  /** For each connection the bytes of a reply that has come in part. */
  readonly #partial: Int32Array;

  constructor(libc: Libc, shape: ReplyShape, connections: number) {
    this.#libc = libc;
    this.#shape = shape;
    this.#partial = new Int32Array(connections);
  }

  /** Receives what is there. */
  receive(fd: number, connection: number): number {
    const bytes = this.#bytes;
    const received = this.#libc.receive(fd, bytes);
    if (received < 0) return 0;
    if (received === 0) throw new Error("The server closed a connection");
    const { lengthBytes, markAt, mark } = this.#shape;
    const partial = this.#partial[connection];
    const ahead = markAt - partial;
    for (
      let at = ahead < 0 ? ahead + lengthBytes : ahead;
      at < received;
      at += lengthBytes
    ) {
      if (bytes[at] !== mark) throw this.#unexpected(received);
    }
    let count = 0;
    for (let at = lengthBytes - partial - 1; at < received; at += lengthBytes) {
      if (bytes[at] !== REPLY_END) throw this.#unexpected(received);
      count++;
    }
    this.#partial[connection] = partial + received - count * lengthBytes;
    return count;
  }

  #unexpected(length: number): Error {
    const text = new TextDecoder().decode(this.#bytes.subarray(0, length));
    return new Error(
      `Unexpected reply: ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
}
