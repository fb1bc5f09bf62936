const NEWLINE = 0x0a;

const encoder = new TextEncoder();

/** The time before a write that found no room is tried again. */
const RETRY_MS = 5;

/** What a pipe takes whole or not at all (PIPE_BUF). */
const PIECE_BYTES = 4_096;

/** How much of a line the runtime may buffer for standard output. */
const LINE_BUFFER_BYTES = 1_024;

const clock = new Int32Array(new SharedArrayBuffer(4));

/** A standard stream. */
export interface OutputStream {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

/**
 * Writes whole lines to standard output, and returns the exit code 0. A closed
 * pipe is not an error: its reader has read what it wanted.
 */
export function writeText(text: string): number {
  writeBytes(encoder.encode(text));
  return 0;
}

/** Writes a line to standard error; a failure cannot be reported anywhere. */
export function complain(text: string): void {
  try {
    writeBytes(encoder.encode(`${text}\n`), Deno.stderr);
  } catch {
    // Such as a full disk.
  }
}

/**
 * Writes all bytes, whole lines if to standard output, and returns whether the
 * stream still has a reader. Waits if another program has made the stream
 * non-blocking.
 *
 * After a write that found too little room, the runtime does not say how much
 * was written if it wrote some lines and buffered the rest. The pieces written
 * here avoid that. A pipe takes up to PIPE_BUF bytes of whole lines, or none. A
 * terminal may take any part; there a line and its newline are written one
 * after the other, and each is either written or, if it is short, buffered and
 * flushed before the next.
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

/** The end of the line at a place without its newline, or of the newline. */
function partOfLine(bytes: Uint8Array, from: number): number {
  const newline = bytes.indexOf(NEWLINE, from);
  if (newline < 0) return bytes.length;
  return newline === from ? from + 1 : newline;
}

/** The end of the last line that fits into a piece, or of the piece. */
function wholeLines(bytes: Uint8Array, from: number): number {
  const piece = bytes.subarray(from, from + PIECE_BYTES);
  const newline = piece.lastIndexOf(NEWLINE);
  return from + (newline < 0 ? piece.length : newline + 1);
}
