import {
  ProgressBar,
  type ProgressBarFormatter,
} from "@std/cli/unstable-progress-bar";
import { counted, formatBytes } from "./format.ts";
import { writeBytes } from "./output.ts";

/** The time between two drawings of the line, in milliseconds. */
const INTERVAL_MS = 250;

/** How far something is. */
export interface Progress {
  /** Pairs done. */
  pairs: number;
  /** How much is done, in any unit. */
  done: number;
  /** How much there is in all, in the same unit; 0 if unknown. */
  total: number;
}

/** Moves to the start of the line and erases it. */
const CLEAR_LINE = new TextEncoder().encode("\r\x1b[K");

/** The exit code of a program that Ctrl-C ends, as shells have it. */
const INTERRUPTED = 128 + 2;

/** In characters. */
const BAR_LENGTH = 30;

/** The columns of a terminal whose size is unknown. */
const DEFAULT_COLUMNS = 80;

/** What a line of progress is made of. */
type BarState = Pick<ProgressBarFormatter, "time" | "progressBar">;

/** Options of {@linkcode withProgress}. */
interface ProgressOptions {
  /** Whether there is a terminal to show it on. */
  readonly isShown: boolean;
  /** Spells the progress out; in pairs by default. */
  readonly format?: (state: BarState, progress: Progress) => string;
}

/**
 * Shows on a terminal how far something is, which keeps the progress up to
 * date. The line is cleared at the end, also by Ctrl-C.
 */
export async function withProgress<T>(
  run: (progress: Progress) => Promise<T>,
  { isShown, format = formatProgress }: ProgressOptions,
): Promise<T> {
  const progress: Progress = { pairs: 0, done: 0, total: 0 };
  if (!isShown) return await run(progress);
  const bar = new ProgressBar({
    max: 1,
    interval: INTERVAL_MS,
    clear: true,
    // The constructor calls it already, so it must not use `bar`.
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

/** A longer line would wrap, and only its last row would be erased. */
function cutToLine(text: string): string {
  let columns = DEFAULT_COLUMNS;
  try {
    columns = Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    // No standard stream is a terminal.
  }
  return text.slice(0, columns - 1);
}

/** Such as `[###---] 120000 pairs, 40000/s, 00:06 left`. */
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

/** Such as `[###---] 1.0 MiB of 2.0 MiB, 00:06 left`. */
export function formatBytesProgress(
  { time, progressBar }: BarState,
  { done, total }: Progress,
): string {
  if (total === 0) return `[${progressBar}]`;
  const line = `[${progressBar}] ${formatBytes(done)} of ${formatBytes(total)}`;
  return done === 0 ? line : `${line}, ${formatLeft(time / 1000, done, total)}`;
}

/** The time left at the average speed so far. */
function formatLeft(seconds: number, done: number, total: number): string {
  const left = Math.ceil(seconds * Math.max(0, total / done - 1));
  return `${formatTime(left)} left`;
}

function formatTime(seconds: number): string {
  return [Math.floor(seconds / 60), seconds % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}
