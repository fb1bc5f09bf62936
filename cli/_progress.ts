import {
  ProgressBar,
  type ProgressBarFormatter,
} from "@std/cli/unstable-progress-bar";

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
  const bar = new ProgressBar({
    max: 1,
    barLength: 30,
    interval: INTERVAL_MS,
    clear: true,
    formatter: (state) => {
      // The bar is drawn from what it was told at the last call.
      bar.max = progress.total || 1;
      bar.value = progress.done;
      return formatProgress(state, progress);
    },
  });
  try {
    return await run(progress);
  } finally {
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
  const line = `${pairs} pairs, ${rate}/s`;
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
