const encoder = new TextEncoder();

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
 * Does as {@linkcode writeText} with bytes, and tells whether to go on.
 *
 * @param bytes What to write.
 * @returns Whether somebody still reads.
 */
export function writeBytes(bytes: Uint8Array): boolean {
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    throw error;
  }
}
