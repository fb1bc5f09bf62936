import { NEWLINE } from "../protocol/bytes.ts";

/** How much is read at a time, in bytes. */
const BLOCK_BYTES = 1024 * 1024;

/** The longest line: any request that a server takes fits into it. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** Where bytes come from, such as a file. */
export interface ByteSource {
  /** Reads into an array; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/**
 * Reads a text as runs of whole lines.
 *
 * @param source The text.
 * @returns The runs, each valid until the next is asked for.
 * @throws {Error} If a line is longer than 256 MiB.
 */
export async function* lineBlocks(
  source: ByteSource,
): AsyncGenerator<Uint8Array, void> {
  let buffer = new Uint8Array(BLOCK_BYTES);
  let length = 0;
  for (;;) {
    const read = await source.read(buffer.subarray(length));
    if (read === null) break;
    const fresh = buffer.subarray(length, length + read);
    const newline = fresh.lastIndexOf(NEWLINE);
    length += read;
    if (newline >= 0) {
      const end = length - read + newline + 1;
      yield buffer.subarray(0, end);
      buffer.copyWithin(0, end, length);
      length -= end;
    } else if (length === buffer.length) {
      if (length >= MAX_LINE_BYTES) {
        throw new Error(`A line is longer than ${MAX_LINE_BYTES} bytes`);
      }
      const grown = new Uint8Array(length * 2);
      grown.set(buffer);
      buffer = grown;
    }
  }
  if (length > 0) yield buffer.subarray(0, length);
}
