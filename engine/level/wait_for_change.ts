/**
 * Waiting for another thread without blocking this one.
 *
 * @module
 */

/**
 * Waits until a word of shared memory changes.
 *
 * @param words The words.
 * @param index Which of them.
 * @param value Its value.
 * @param timeoutMs How long to wait, in milliseconds.
 * @returns Whether it may have changed; `false` when the time is up.
 */
export async function waitForChange(
  words: Int32Array,
  index: number,
  value: number,
  timeoutMs: number,
): Promise<boolean> {
  const result = Atomics.waitAsync(words, index, value, timeoutMs);
  if (!result.async) return true;
  // A pending waitAsync alone does not keep a process from ending.
  const keepAlive = setInterval(() => {}, timeoutMs);
  try {
    return await result.value !== "timed-out";
  } finally {
    clearInterval(keepAlive);
  }
}
