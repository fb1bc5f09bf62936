const encoder = new TextEncoder();

/**
 * Writes to standard output. A reader that has gone is no error: it has read
 * what it wanted.
 *
 * @param text What to write.
 * @returns The exit code for having written it: 0.
 */
export function writeText(text: string): number {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  return 0;
}
