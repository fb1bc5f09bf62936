/**
 * The end of a test of linearizability.
 *
 * @module
 */

import { linearize, type Verdict } from "./_checker.ts";
import { byKey, describe, type Operation } from "./_history.ts";

/** How many operations on each side of a violation to show. */
const SHOWN = 12;

/**
 * Checks that a history is linearizable.
 *
 * @param history The operations of all keys. No key is there at the beginning.
 * Those of a session that were invoked at the same moment are in their order.
 * @throws {Error} If it is not, with the operations that do not fit together.
 */
export function assertLinearizable(history: readonly Operation[]): void {
  for (const [key, operations] of byKey(history)) {
    const verdict = linearize(operations);
    if (!verdict.linearizable) {
      throw new Error(explain(key, verdict, operations));
    }
  }
}

function explain(
  key: string,
  { order, blocked }: Extract<Verdict, { linearizable: false }>,
  operations: readonly Operation[],
): string {
  const done = new Set(order);
  const others = operations.filter((operation) =>
    operation !== blocked && !done.has(operation) &&
    operation.invokedMs <= blocked.returnedMs &&
    operation.returnedMs >= blocked.invokedMs
  );
  return [
    `No order of the operations on key "${key}" explains all answers`,
    `The longest explains ${order.length} of ${operations.length} and ends with`,
    ...order.slice(-SHOWN).map(indented),
    "Then this does not fit",
    indented(blocked),
    `Others at the same time: ${others.length}`,
    ...others.slice(-SHOWN).map(indented),
  ].join("\n");
}

function indented(operation: Operation): string {
  return `  ${describe(operation)}`;
}
