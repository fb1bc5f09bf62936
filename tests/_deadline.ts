/**
 * Waiting in tests, with a deadline that says what did not come.
 *
 * @module
 */

/** Long enough for a machine that does a lot besides, in milliseconds. */
export const DEADLINE_MS = 60_000;

const POLL_MS = 5;

// Deno 2.7 may lose a timer in a thread that has loaded LevelDB, unless another
// one is pending.
Deno.unrefTimer(setInterval(() => {}, 1_000));

/**
 * Waits for a promise.
 *
 * @param what What is waited for, to complete "Waited 60 s for …".
 * @param promise The promise.
 * @param deadlineMs After how many milliseconds to give up.
 * @returns What it resolves to.
 * @throws {Error} If it does not settle in time.
 */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(missed(what, deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until a condition holds.
 *
 * @param what What is waited for, to complete "Waited 60 s for …".
 * @param condition Says whether it holds.
 * @param deadlineMs After how many milliseconds to give up.
 * @throws {Error} If it does not hold in time, or what the condition throws.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!await condition()) {
    if (performance.now() > endMs) throw missed(what, deadlineMs);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Tries something that may fail because this machine was too slow for it, until
 * it succeeds or fails in time.
 *
 * @typeParam T What it returns.
 * @param limitMs How long it may take, in milliseconds.
 * @param attempt Does it; called again after a failure that came later.
 * @returns What it returns.
 * @throws {Error} What the attempt throws in time, or throws last.
 */
export async function retryIfSlow<T>(
  limitMs: number,
  attempt: () => Promise<T>,
): Promise<T> {
  const endMs = performance.now() + DEADLINE_MS;
  for (;;) {
    const startMs = performance.now();
    try {
      return await attempt();
    } catch (error) {
      const nowMs = performance.now();
      if (nowMs - startMs < limitMs || nowMs > endMs) throw error;
    }
  }
}

function missed(what: string, deadlineMs: number): Error {
  return new Error(`Waited ${deadlineMs / 1_000} s for ${what}`);
}
