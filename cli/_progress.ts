import {
  ProgressBar,
  type ProgressBarFormatter,
  type ProgressBarOptions,
} from "@std/cli/unstable-progress-bar";
import { counted } from "./_counted.ts";
import { writeBytes } from "./_output.ts";

/** How often the line is drawn, in milliseconds. */
const INTERVAL_MS = 250;

/** How far something is. */
export interface Progress {
  /** Pairs dealt with. */
  pairs: number;
  /** How much is done, in whatever unit. */
  done: number;
  /** How much there is in all, in the same unit; 0 where nobody knows. */
  total: number;
}

/** Goes to the start of the line and erases it. */
const CLEAR_LINE = new TextEncoder().encode("\r\x1b[K");

/** The exit code of a program that Ctrl-C ends, as shells have it. */
const INTERRUPTED = 128 + 2;

/**
 * Shows on a terminal how far something is, and nothing elsewhere.
 *
 * @param run Does it, and keeps the progress up to date.
 * @param isShown Whether there is a terminal to show it on.
 * @returns What `run` returned.
 */
export async function withProgress<T>(
  run: (progress: Progress) => Promise<T>,
  isShown = Deno.stderr.isTerminal(),
): Promise<T> {
  const progress: Progress = { pairs: 0, done: 0, total: 0 };
  if (!isShown) return await run(progress);
  // The first drawing comes before there is a bar to be told anything.
  let bar: ProgressBar | undefined;
  const formatter = (state: ProgressBarFormatter) => {
    // The bar is drawn from what it was told at the last call.
    if (bar !== undefined) {
      bar.max = progress.total || 1;
      bar.value = progress.done;
    }
    return formatProgress(state, progress);
  };
  const options = { barLength: 30, interval: INTERVAL_MS, formatter };
  return await withBar(options, async (shown) => {
    bar = shown;
    return await run(progress);
  });
}

/**
 * Shows a bar while something runs. The line it was in is empty afterwards,
 * however that ends: by Ctrl-C as well.
 *
 * @param options What the bar looks like.
 * @param run What to run; it tells the bar how far it is.
 * @returns What `run` returned.
 */
export async function withBar<T>(
  options: Omit<ProgressBarOptions, "max">,
  run: (bar: ProgressBar) => Promise<T>,
): Promise<T> {
  const bar = new ProgressBar({ ...options, max: 1, clear: true });
  const interrupt = () => {
    writeBytes(CLEAR_LINE, Deno.stderr);
    Deno.exit(INTERRUPTED);
  };
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    return await run(bar);
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    await bar.stop();
  }
}

/**
 * Spells the progress out: the bar, what is done, how fast, for how long yet.
 *
 * @param state The time since the start and the bar.
 * @param progress The progress.
 * @returns Such as `[###---] 120000 pairs, 40000/s, 00:06 left`.
 */
export function formatProgress(
  { time, progressBar }: Pick<ProgressBarFormatter, "time" | "progressBar">,
  { pairs, done, total }: Progress,
): string {
  const seconds = time / 1000;
  const rate = seconds > 0 ? Math.round(pairs / seconds) : 0;
  const line = `${counted(pairs, "pair")}, ${rate}/s`;
  if (total === 0) return line;
  if (done === 0) return `[${progressBar}] ${line}`;
  const leftSeconds = Math.ceil(seconds * Math.max(0, total / done - 1));
  return `[${progressBar}] ${line}, ${formatTime(leftSeconds)} left`;
}

function formatTime(seconds: number): string {
  return [Math.floor(seconds / 60), seconds % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}
