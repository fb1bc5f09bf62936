/**
 * Replaces `@std/cli/unstable-progress-bar`, as far as the project uses it. The
 * packages for this draw on Node's streams only, which takes more code than the
 * whole bar.
 *
 * @module
 */

/** What a formatter is told. */
export interface ProgressBarFormatter {
  /** The time since the start, in milliseconds. */
  readonly time: number;
  /** Always empty here: the project draws its own. */
  readonly progressBar: string;
}

const CLEAR_LINE = "\r\x1b[K";

/** A line on standard error, drawn again at an interval until it is stopped. */
export class ProgressBar {
  readonly #writer = Deno.stderr.writable.getWriter();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(
    { interval, formatter }: {
      max: number;
      /** In milliseconds. */
      interval: number;
      /** The line is always cleared in the end. */
      clear: true;
      formatter: (formatter: ProgressBarFormatter) => string;
    },
  ) {
    const startMs = Date.now();
    const draw = () =>
      this.#write(formatter({ time: Date.now() - startMs, progressBar: "" }));
    this.#timer = setInterval(draw, interval);
    draw();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write("");
    this.#writer.releaseLock();
  }

  async #write(line: string): Promise<void> {
    try {
      await this.#writer.write(new TextEncoder().encode(CLEAR_LINE + line));
    } catch {
      clearInterval(this.#timer);
    }
  }
}
