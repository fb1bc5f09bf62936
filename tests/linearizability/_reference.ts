/**
 * What linearizable means, word for word: for histories of a few operations,
 * and to check the orders that were found for long ones.
 *
 * @module
 */

import type { Operation } from "./_history.ts";

/**
 * Tells whether operations done in an order have the answers that they had, and
 * whether the order is one that may have been.
 *
 * @param order The operations, in the order.
 * @param history The history that they are of, in which those of a session are
 * in their order.
 */
export function isLegal(
  order: readonly Operation[],
  history: readonly Operation[],
): boolean {
  const places = new Map(history.map((operation, i) => [operation, i]));
  let value: string | undefined;
  // The latest call so far, and of each session the last one done.
  let latestMs = -Infinity;
  const lastOf = new Map<number, Operation>();
  for (const operation of order) {
    const { action, session, invokedMs, returnedMs, answered } = operation;
    if (returnedMs < latestMs) return false;
    latestMs = Math.max(latestMs, invokedMs);
    const last = lastOf.get(session);
    if (last !== undefined && answered) {
      if (!last.answered) return false;
      if (places.get(last)! > places.get(operation)!) return false;
    }
    lastOf.set(session, operation);
    switch (action.kind) {
      case "set":
        value = action.value;
        break;
      case "get":
        if (answered && action.value !== value) return false;
        break;
      case "remove":
        if (answered && action.found !== (value !== undefined)) return false;
        value = undefined;
    }
  }
  return true;
}

/**
 * Tells whether a history is linearizable by trying one order after the other.
 *
 * @param history Some operations of one key, seven or so; those of a session
 * in their order.
 */
export function isLinearizable(history: readonly Operation[]): boolean {
  const extend = (order: Operation[]): boolean => {
    if (!isLegal(order, history)) return false;
    const left = history.filter((operation) => !order.includes(operation));
    return left.every(({ answered }) => !answered) ||
      left.some((operation) => extend([...order, operation]));
  };
  return extend([]);
}
