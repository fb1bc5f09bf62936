/**
 * Stands in for `@std/cli/unstable-progress-bar`.
 *
 * @module
 */

/** What a {@linkcode ProgressBarOptions.formatter} is told. */
export interface ProgressBarFormatter {
  /** The time since the start, as `mm:ss`. */
  readonly styledTime: string;
  /** The progress, as `0.40/97.66 KiB`. */
  readonly styledData: string;
  /** The bar, as `###-------`. */
  readonly progressBar: string;
  /** The time since the start, in milliseconds. */
  readonly time: number;
  /** The time at the last call, in milliseconds. */
  readonly previousTime: number;
  /** The progress. */
  readonly value: number;
  /** The progress at the last call. */
  readonly previousValue: number;
  /** The progress at the end. */
  readonly max: number;
}

/** Options of {@linkcode ProgressBar}. */
export interface ProgressBarOptions {
  /**
   * Where the bar is drawn.
   *
   * @default {Deno.stderr.writable}
   */
  writable?: WritableStream<Uint8Array>;
  /**
   * The progress at the start.
   *
   * @default {0}
   */
  value?: number;
  /** The progress at the end. */
  max: number;
  /**
   * The length of the bar, in characters.
   *
   * @default {50}
   */
  barLength?: number;
  /**
   * What fills the bar.
   *
   * @default {"#"}
   */
  fillChar?: string;
  /**
   * What is in its place before.
   *
   * @default {"-"}
   */
  emptyChar?: string;
  /**
   * Whether the bar goes when it stops.
   *
   * @default {false}
   */
  clear?: boolean;
  /** Makes the line that is drawn. */
  formatter?: (formatter: ProgressBarFormatter) => string;
  /**
   * Whether the stream stays open when the bar stops.
   *
   * @default {true}
   */
  keepOpen?: boolean;
  /**
   * The time between two drawings, in milliseconds.
   *
   * @default {1000}
   */
  interval?: number;
}

/** Goes to the start of the line and erases it. */
const CLEAR_LINE = "\r\x1b[K";

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** A bar on a terminal that shows how far something is. */
export class ProgressBar {
  /** The progress. */
  value: number;
  /** The progress at the end. */
  max: number;
  readonly #options: ProgressBarOptions;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #startMs = Date.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #previousTimeMs = 0;
  #previousValue: number;

  /**
   * Draws the bar and goes on drawing it until it is stopped.
   *
   * @param options What it looks like, and where it is drawn.
   */
  constructor(options: ProgressBarOptions) {
    const { value = 0, interval = 1000 } = options;
    this.value = value;
    this.max = options.max;
    this.#options = options;
    this.#writer = (options.writable ?? Deno.stderr.writable).getWriter();
    this.#previousValue = value;
    this.#timer = setInterval(() => this.#draw(), interval);
    this.#draw();
  }

  /** Draws the bar for the last time, or erases it. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const { clear = false, keepOpen = true } = this.#options;
    try {
      if (clear) {
        await this.#write(CLEAR_LINE);
      } else {
        await this.#draw();
        await this.#write("\n");
      }
      if (!keepOpen) await this.#writer.close();
    } catch {
      // Whoever watched the bar has gone
    }
    this.#writer.releaseLock();
  }

  #draw(): Promise<void> {
    const { formatter = formatBar } = this.#options;
    const state = this.#describe();
    this.#previousTimeMs = state.time;
    this.#previousValue = state.value;
    return this.#write(CLEAR_LINE + formatter(state));
  }

  async #write(text: string): Promise<void> {
    try {
      await this.#writer.write(this.#encoder.encode(text));
    } catch {
      clearInterval(this.#timer);
    }
  }

  #describe(): ProgressBarFormatter {
    const { barLength = 50, fillChar = "#", emptyChar = "-" } = this.#options;
    const { value, max } = this;
    const time = Date.now() - this.#startMs;
    const part = Math.min(Math.max(value / max, 0), 1);
    const filled = Math.trunc(part * barLength);
    return {
      styledTime: formatTime(time),
      styledData: formatData(value, max),
      progressBar: fillChar.repeat(filled) +
        emptyChar.repeat(barLength - filled),
      time,
      previousTime: this.#previousTimeMs,
      value,
      previousValue: this.#previousValue,
      max,
    };
  }
}

function formatBar(state: ProgressBarFormatter): string {
  return `[${state.styledTime}] [${state.progressBar}] [${state.styledData}]`;
}

function formatTime(timeMs: number): string {
  const seconds = Math.trunc(timeMs / 1000);
  return [Math.trunc(seconds / 60), seconds % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** Spells both numbers in the unit that suits the greater one. */
function formatData(value: number, max: number): string {
  let exponent = 0;
  while (exponent < UNITS.length - 1 && max >= 1024 ** (exponent + 2)) {
    exponent++;
  }
  const unit = 1024 ** (exponent + 1);
  const [done, all] = [value, max].map((bytes) => (bytes / unit).toFixed(2));
  return `${done}/${all} ${UNITS[exponent]}`;
}
