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

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/**
 * Spells a number of bytes for a person.
 *
 * @param bytes The number.
 * @returns Such as `17 bytes` or `1.5 MiB`.
 */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
