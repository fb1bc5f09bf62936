const NEWLINE = 0x0a;

/** The size of a block, unless the source pauses earlier. */
const BLOCK_BYTES = 8 * 1024 * 1024;

/** How long the source may pause before a block is returned as it is. */
const MAX_PAUSE_MS = 20;

/** The longest line, which holds any request that a server accepts. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** A file, or another source of bytes. */
export interface ByteSource {
  /** Returns the number of bytes read, or `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/**
 * Reads a text as blocks of whole lines: large ones, but no line is held back
 * while the source pauses. Each block is valid until the next is requested.
 */
export async function* lineBlocks(
  source: ByteSource,
): AsyncGenerator<Uint8Array, void> {
  let buffer = new Uint8Array(BLOCK_BYTES);
  // The buffer holds what was returned, whole lines, and a part of a line.
  let returned = 0;
  let whole = 0;
  let length = 0;
  for (;;) {
    const reading = source.read(buffer.subarray(length));
    if (whole > returned && !(await isSoon(reading))) {
      yield buffer.subarray(returned, whole);
      returned = whole;
    }
    const read = await reading;
    if (read === null) break;
    const fresh = buffer.subarray(length, length + read);
    const newline = fresh.lastIndexOf(NEWLINE);
    if (newline >= 0) whole = length + newline + 1;
    length += read;
    if (length < buffer.length) continue;
    if (whole > returned) yield buffer.subarray(returned, whole);
    buffer.copyWithin(0, whole, length);
    length -= whole;
    returned = whole = 0;
    if (length === buffer.length) {
      if (length >= MAX_LINE_BYTES) {
        throw new Error(`A line is longer than ${MAX_LINE_BYTES} bytes`);
      }
      const grown = new Uint8Array(length * 2);
      grown.set(buffer);
      buffer = grown;
    }
  }
  if (length > returned) yield buffer.subarray(returned, length);
}

/** Whether a read ends before the longest pause. */
async function isSoon(reading: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), MAX_PAUSE_MS);
  try {
    return await Promise.race([reading.then(() => true, () => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
