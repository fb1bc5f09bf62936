/**
 * Waiting no longer than so long.
 *
 * @module
 */

/**
 * Waits for a promise, but not for ever.
 *
 * @param promise What to wait for; if it rejects in time, so does this.
 * @param timeoutMs After how many milliseconds to stop waiting.
 * @returns Whether the promise resolved in time.
 */
export async function resolvesWithin(
  promise: Promise<unknown>,
  timeoutMs: number,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
