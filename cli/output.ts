const NEWLINE = 0x0a;

const encoder = new TextEncoder();

/** How long to wait before a write that found no room is tried again, in ms. */
const RETRY_MS = 5;

/** What a pipe takes whole or not at all, in bytes (PIPE_BUF). */
const PIECE_BYTES = 4_096;

/** How much of a line the runtime may keep for standard output, in bytes. */
const LINE_BUFFER_BYTES = 1_024;

const clock = new Int32Array(new SharedArrayBuffer(4));

/** A standard stream to write to. */
export interface OutputStream {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

/**
 * Writes to standard output. A reader that has gone is no error: it has read
 * what it wanted.
 *
 * @param text What to write, whole lines.
 * @returns The exit code for having written it: 0.
 * @throws {Error} If that fails.
 */
export function writeText(text: string): number {
  writeBytes(encoder.encode(text));
  return 0;
}

/**
 * Writes a line to standard error. If that fails, there is nobody to tell.
 *
 * @param text The line.
 */
export function complain(text: string): void {
  try {
    writeBytes(encoder.encode(`${text}\n`), Deno.stderr);
  } catch {
    // Such as a full disk.
  }
}

/**
 * Writes all of some bytes, and tells whether to go on. A stream that does not
 * block, because another program has made it so, is waited for.
 *
 * A write that finds too little room must tell how much has gone. The runtime
 * does not, where lines for standard output are written in part and it keeps
 * the rest: so pieces are such that this does not happen. A pipe takes up to
 * PIPE_BUF bytes of whole lines at once or none. A terminal may take any part
 * of them; there a line and its newline are written one after the other, and
 * either is written, or, if it is short, kept, and leaves before the next.
 *
 * @param bytes What to write; whole lines, if to standard output.
 * @param stream Where to.
 * @param isBuffered Whether the runtime may keep a part of a line.
 * @returns Whether somebody still reads.
 * @throws {Error} If that fails.
 */
export function writeBytes(
  bytes: Uint8Array,
  stream: OutputStream = Deno.stdout,
  isBuffered = stream === Deno.stdout,
): boolean {
  const isTerminal = stream.isTerminal();
  for (let written = 0; written < bytes.length;) {
    const end = isTerminal
      ? partOfLine(bytes, written)
      : wholeLines(bytes, written);
    try {
      written += stream.writeSync(bytes.subarray(written, end));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!(error instanceof Deno.errors.WouldBlock)) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`Cannot write output: ${reason}`, { cause: error });
      }
      const isKept = isBuffered && end - written < LINE_BUFFER_BYTES &&
        bytes[end - 1] !== NEWLINE;
      if (isKept) written = end;
      Atomics.wait(clock, 0, 0, RETRY_MS);
    }
  }
  return true;
}

/** Where the line ends that begins at a place, or its newline if it is there. */
function partOfLine(bytes: Uint8Array, from: number): number {
  const newline = bytes.indexOf(NEWLINE, from);
  if (newline < 0) return bytes.length;
  return newline === from ? from + 1 : newline;
}

/** Where the last line ends that fits into a piece, or the piece itself. */
function wholeLines(bytes: Uint8Array, from: number): number {
  const piece = bytes.subarray(from, from + PIECE_BYTES);
  const newline = piece.lastIndexOf(NEWLINE);
  return from + (newline < 0 ? piece.length : newline + 1);
}
