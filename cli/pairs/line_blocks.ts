const NEWLINE = 0x0a;

/** How much is gathered before it is given away, in bytes… */
const BLOCK_BYTES = 8 * 1024 * 1024;

/** …unless the source has had nothing more for so long, in milliseconds. */
const PATIENCE_MS = 20;

/** The longest line: any request that a server takes fits into it. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** Where bytes come from, such as a file. */
export interface ByteSource {
  /** Reads into an array; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/**
 * Reads a text as runs of whole lines: long ones, but none is kept back while
 * the source has nothing more to give.
 *
 * @param source The text.
 * @returns The runs, each valid until the next is asked for.
 * @throws {Error} If a line is longer than 256 MiB.
 */
export async function* lineBlocks(
  source: ByteSource,
): AsyncGenerator<Uint8Array, void> {
  let buffer = new Uint8Array(BLOCK_BYTES);
  // The buffer holds what was given away, whole lines, and a part of a line.
  let given = 0;
  let whole = 0;
  let length = 0;
  for (;;) {
    const reading = source.read(buffer.subarray(length));
    if (whole > given && !(await isSoon(reading))) {
      yield buffer.subarray(given, whole);
      given = whole;
    }
    const read = await reading;
    if (read === null) break;
    const fresh = buffer.subarray(length, length + read);
    const newline = fresh.lastIndexOf(NEWLINE);
    if (newline >= 0) whole = length + newline + 1;
    length += read;
    if (length < buffer.length) continue;
    if (whole > given) yield buffer.subarray(given, whole);
    buffer.copyWithin(0, whole, length);
    length -= whole;
    given = whole = 0;
    if (length === buffer.length) {
      if (length >= MAX_LINE_BYTES) {
        throw new Error(`A line is longer than ${MAX_LINE_BYTES} bytes`);
      }
      const grown = new Uint8Array(length * 2);
      grown.set(buffer);
      buffer = grown;
    }
  }
  if (length > given) yield buffer.subarray(given, length);
}

/** Whether a read succeeds before it is time to go on without it. */
async function isSoon(reading: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), PATIENCE_MS);
  try {
    return await Promise.race([reading.then(() => true, () => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
