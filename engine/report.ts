/**
 * Prints a line on standard error, or does without: a full disk, or a pipe that
 * is full and does not block, must not fail what the line is about.
 *
 * @param line The line.
 */
export function report(line: string): void {
  try {
    console.error(line);
  } catch {
    // There is nobody to tell.
  }
}
