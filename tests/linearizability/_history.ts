/**
 * Histories of keys that several clients read and write at once.
 *
 * @module
 */

/** What a client asked for, and what it was answered. */
export type Action =
  | { readonly kind: "set"; readonly value: string }
  /** The value that was read; `undefined` where the key was not there. */
  | { readonly kind: "get"; readonly value: string | undefined }
  /** Whether the key was there; `undefined` without an answer. */
  | { readonly kind: "remove"; readonly found: boolean | undefined };

/** One request for a key, and when it may have taken effect. */
export interface Operation {
  /** The key. */
  readonly key: string;
  /** What was asked, and what the answer was. */
  readonly action: Action;
  /**
   * The connection. Of two operations of a session that were answered, the one
   * invoked first takes effect first. One that was not is the session's last,
   * or of its last, and these have no order among them.
   */
  readonly session: number;
  /** When the client sent it, in milliseconds of one clock for all clients. */
  readonly invokedMs: number;
  /**
   * When the client had the answer. Without one, when whoever might still have
   * carried it out was gone for good; `Infinity` for never.
   */
  readonly returnedMs: number;
  /**
   * Whether the answer came. Without one the operation took effect at some
   * moment between the two, or not at all.
   */
  readonly answered: boolean;
}

/**
 * Sorts a history by its keys. A history is linearizable if and only if what it
 * has of each key is (Herlihy and Wing, 1990, theorem 1), so the search need
 * not bear with all keys at once: Horn and Kroening, "Faster linearizability
 * checking via P-compositionality", 2015.
 *
 * @param history The operations, in any order.
 * @returns The operations of each key, in that order.
 */
export function byKey(
  history: readonly Operation[],
): Map<string, readonly Operation[]> {
  return Map.groupBy(history, ({ key }) => key);
}

/**
 * Says what an operation was.
 *
 * @param operation The operation.
 * @returns A line without its end.
 */
export function describe(operation: Operation): string {
  const { action, session, invokedMs, returnedMs, answered } = operation;
  const when = `${invokedMs.toFixed(3)} to ${returnedMs.toFixed(3)} ms`;
  const asked = action.kind === "set"
    ? `set ${shortened(action.value)}`
    : action.kind;
  const learned = answered ? found(action) : ", not answered";
  return `${when}, session ${session}: ${asked}${learned}`;
}

function found(action: Action): string {
  switch (action.kind) {
    case "set":
      return "";
    case "get":
      return ` found ${
        action.value === undefined ? "no key" : shortened(action.value)
      }`;
    case "remove":
      return ` found ${action.found ? "the key" : "no key"}`;
  }
}

function shortened(value: string): string {
  return value.length <= 32
    ? `"${value}"`
    : `"${value.slice(0, 29)}…" of ${value.length} characters`;
}
