/**
 * Histories that a register could have left.
 *
 * @module
 */

import type { Random } from "../engine/kvs/_helpers.ts";
import type { Action, Operation } from "./_history.ts";

/** How long an operation may take on either side of the moment it is done. */
const JITTER_MS = 40;

/**
 * Does operations one after the other, and gives each an interval around the
 * moment when it was done; some are not answered, and of these some are not
 * done either.
 *
 * @param random What is random about it.
 * @param count How many operations.
 * @param sessions How many there are at a time.
 * @returns The operations, in the order in which they were done.
 */
export function simulate(
  random: Random,
  count: number,
  sessions: number,
): Operation[] {
  const lastInvokedMs = new Array<number>(sessions).fill(-Infinity);
  const names = lastInvokedMs.map((_, i) => i);
  let nowMs = 0;
  let value: string | undefined;
  return Array.from({ length: count }, (_, i): Operation => {
    nowMs += 1 + random.below(10);
    const place = random.below(sessions);
    const session = names[place];
    const invokedMs = Math.max(
      lastInvokedMs[place],
      nowMs - random.below(JITTER_MS),
    );
    lastInvokedMs[place] = invokedMs;
    let returnedMs = nowMs + random.below(JITTER_MS);
    const answered = random.below(12) !== 0;
    if (!answered) {
      names[place] = sessions + i;
      if (random.below(2) === 0) returnedMs = Infinity;
    }
    const action = choose(random, value, i);
    if (answered || random.below(2) === 0) {
      if (action.kind === "set") value = action.value;
      if (action.kind === "remove") value = undefined;
    }
    return { key: "k", action, session, invokedMs, returnedMs, answered };
  });
}

function choose(
  random: Random,
  value: string | undefined,
  i: number,
): Action {
  switch (random.below(6)) {
    case 0:
    case 1:
      return { kind: "set", value: `v${i}` };
    case 2:
      return { kind: "remove", found: value !== undefined };
    default:
      return { kind: "get", value };
  }
}
