const encoder = new TextEncoder();

/** How long to wait before a write that found no room is tried again, in ms. */
const RETRY_MS = 5;

/**
 * How much is written at once, in bytes: what a pipe takes whole or not at all
 * (PIPE_BUF). Of a larger write that finds too little room the runtime does not
 * tell how much has gone.
 */
const PIECE_BYTES = 4_096;

const clock = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes to standard output. A reader that has gone is no error: it has read
 * what it wanted.
 *
 * @param text What to write.
 * @returns The exit code for having written it: 0.
 */
export function writeText(text: string): number {
  writeBytes(encoder.encode(text));
  return 0;
}

/**
 * Writes a line to standard error.
 *
 * @param text The line.
 */
export function complain(text: string): void {
  writeBytes(encoder.encode(`${text}\n`), Deno.stderr);
}

/**
 * Writes all of some bytes, and tells whether to go on.
 *
 * @param bytes What to write.
 * @param stream Where to.
 * @returns Whether somebody still reads.
 */
export function writeBytes(
  bytes: Uint8Array,
  stream: { writeSync(bytes: Uint8Array): number } = Deno.stdout,
): boolean {
  for (let written = 0; written < bytes.length;) {
    try {
      const piece = bytes.subarray(written, written + PIECE_BYTES);
      written += stream.writeSync(piece);
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      // A pipe that another program has made non-blocking, and that is full.
      Atomics.wait(clock, 0, 0, RETRY_MS);
    }
  }
  return true;
}
