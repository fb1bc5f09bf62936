/**
 * Waiting for the event loop, and for promises with a limit.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Lets timers that are due, results of the system, and messages run once. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Waits for a promise at most `timeoutMs`; returns whether it resolved. */
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
