/**
 * Letting the event loop go on.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * Lets the event loop go round once: timers that are due, results of the
 * system, and messages get their turn.
 *
 * @returns When it has.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
