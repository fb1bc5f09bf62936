import {
  ProgressBar,
  type ProgressBarFormatter,
} from "@std/cli/unstable-progress-bar";
import { formatBytes } from "./bytes.ts";
import { counted } from "./counted.ts";
import { writeBytes } from "./output.ts";

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

/** In characters. */
const BAR_LENGTH = 30;

/** A terminal that does not tell has so many columns. */
const DEFAULT_COLUMNS = 80;

/** What a line of progress is made of. */
type BarState = Pick<ProgressBarFormatter, "time" | "progressBar">;

/**
 * Shows on a terminal how far something is, and nothing elsewhere. The line is
 * empty afterwards, however it ends: by Ctrl-C as well.
 *
 * @param run Does it, and keeps the progress up to date.
 * @param isShown Whether there is a terminal to show it on.
 * @param format Spells the progress out.
 * @returns What `run` returned.
 */
export async function withProgress<T>(
  run: (progress: Progress) => Promise<T>,
  isShown = Deno.stderr.isTerminal(),
  format: (state: BarState, progress: Progress) => string = formatProgress,
): Promise<T> {
  const progress: Progress = { pairs: 0, done: 0, total: 0 };
  if (!isShown) return await run(progress);
  const bar = new ProgressBar({
    max: 1,
    interval: INTERVAL_MS,
    clear: true,
    // Called before there is a bar, too: it must not use it.
    formatter: ({ time }) =>
      cutToLine(format({ time, progressBar: drawBar(progress) }, progress)),
  });
  const interrupt = () => {
    writeBytes(CLEAR_LINE, Deno.stderr);
    Deno.exit(INTERRUPTED);
  };
  Deno.addSignalListener("SIGINT", interrupt);
  try {
    return await run(progress);
  } finally {
    Deno.removeSignalListener("SIGINT", interrupt);
    await bar.stop();
  }
}

function drawBar({ done, total }: Progress): string {
  const part = total > 0 ? Math.min(1, done / total) : 0;
  const filled = Math.trunc(part * BAR_LENGTH);
  return "#".repeat(filled) + "-".repeat(BAR_LENGTH - filled);
}

/** A longer line would go on in the next one, and only that is erased. */
function cutToLine(text: string): string {
  let columns = DEFAULT_COLUMNS;
  try {
    columns = Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    // No standard stream tells.
  }
  return text.slice(0, columns - 1);
}

/**
 * Spells the progress out: the bar, what is done, how fast, for how long yet.
 *
 * @param state The time since the start and the bar.
 * @param progress The progress.
 * @returns Such as `[###---] 120000 pairs, 40000/s, 00:06 left`.
 */
export function formatProgress(
  { time, progressBar }: BarState,
  { pairs, done, total }: Progress,
): string {
  const seconds = time / 1000;
  const rate = seconds > 0 ? Math.round(pairs / seconds) : 0;
  const line = `${counted(pairs, "pair")}, ${rate}/s`;
  if (total === 0) return line;
  if (done === 0) return `[${progressBar}] ${line}`;
  return `[${progressBar}] ${line}, ${formatLeft(seconds, done, total)}`;
}

/**
 * Does as {@linkcode formatProgress} where bytes are counted, not pairs.
 *
 * @param state The time since the start and the bar.
 * @param progress The progress, in bytes.
 * @returns Such as `[###---] 1.0 MiB of 2.0 MiB, 00:06 left`.
 */
export function formatBytesProgress(
  { time, progressBar }: BarState,
  { done, total }: Progress,
): string {
  if (total === 0) return `[${progressBar}]`;
  const line = `[${progressBar}] ${formatBytes(done)} of ${formatBytes(total)}`;
  return done === 0 ? line : `${line}, ${formatLeft(time / 1000, done, total)}`;
}

/** Spells out for how long yet, if it goes on as it did. */
function formatLeft(seconds: number, done: number, total: number): string {
  const left = Math.ceil(seconds * Math.max(0, total / done - 1));
  return `${formatTime(left)} left`;
}

function formatTime(seconds: number): string {
  return [Math.floor(seconds / 60), seconds % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}
