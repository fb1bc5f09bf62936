/**
 * Tells whether what clients saw of a key can be explained by a register that
 * does one thing at a time.
 *
 * The search is that of Wing and Gong, "Testing and verifying concurrent
 * objects", 1993: of the calls and returns that are left, in the order of time,
 * any operation called before the first return may have been the next. After
 * Lowe, "Testing for linearizability", 2017, it remembers the configurations
 * (what is done, and the register's state) that it has been in, and goes on
 * from each of them once.
 *
 * @module
 */

import { Entries, type Step } from "./_entries.ts";
import type { Operation } from "./_history.ts";

/** What {@linkcode linearize} found. */
export type Verdict =
  | {
    readonly linearizable: true;
    /** An order that explains every answer. */
    readonly order: readonly Operation[];
  }
  | {
    readonly linearizable: false;
    /** The longest order found that explains the answers of those in it. */
    readonly order: readonly Operation[];
    /** Of those that are not in it, the first to return. */
    readonly blocked: Operation;
  };

/** The register's state: no value, one that nobody reads, or one that is read. */
type State = number;

const ABSENT: State = 0;
const UNREAD: State = 1;
const FIRST_READ: State = 2;

/** What an operation leads to that cannot be the next. */
const IMPOSSIBLE = -1;

/** A configuration on the way, and what has not been tried in it. */
interface Frame {
  /** What led here from the configuration before. */
  readonly by: readonly Step[];
  readonly state: State;
  /** The latest call of those that are done. */
  readonly latestMs: number;
  /** What may come next, the last to be tried first. */
  readonly candidates: (readonly Step[])[];
}

/**
 * Looks for an order in which the operations, done one at a time, have the
 * answers that they had, each between its call and its return.
 *
 * @param history Operations of one key. The key is not there at the beginning.
 * Those of a session that were invoked at the same moment are in their order.
 * @returns The order, or how far it is to be had.
 *
 * @example
 * ```ts
 * import { linearize } from "./_checker.ts";
 *
 * const common = { key: "k", session: 1, answered: true };
 * const { linearizable } = linearize([
 *   {
 *     ...common,
 *     action: { kind: "set", value: "v" },
 *     invokedMs: 0,
 *     returnedMs: 1,
 *   },
 *   {
 *     ...common,
 *     action: { kind: "get", value: undefined },
 *     invokedMs: 2,
 *     returnedMs: 3,
 *   },
 * ]);
 * console.log(linearizable); // false
 * ```
 */
export function linearize(history: readonly Operation[]): Verdict {
  return new Search(history).run();
}

class Search {
  /** The calls and returns of what was answered and is not done. */
  readonly #entries: Entries;
  /** What was answered, the first call first. */
  readonly #answered: readonly Step[];
  /** What was not, the first to end first. */
  readonly #unanswered: readonly Step[];
  /** A bit for each that is done; those not answered begin a word. */
  readonly #done: Uint32Array;
  readonly #answeredWords: number;
  /** Behind the last word, of those answered, in which there is a bit. */
  #endWord = 0;
  readonly #seen = new Set<string>();

  constructor(history: readonly Operation[]) {
    const states = new Map<string | undefined, State>([[undefined, ABSENT]]);
    for (const { action, answered } of history) {
      if (action.kind === "get" && answered && !states.has(action.value)) {
        states.set(action.value, FIRST_READ + states.size - 1);
      }
    }
    const stepOf = (operation: Operation, id: number): Step => {
      const { action } = operation;
      const value = action.kind === "remove" ? undefined : action.value;
      return { id, operation, state: states.get(value) ?? UNREAD };
    };
    this.#answered = history.filter(({ answered }) => answered)
      .sort((a, b) => a.invokedMs - b.invokedMs)
      .map(stepOf);
    this.#entries = new Entries(this.#answered);
    this.#answeredWords = Math.ceil(this.#answered.length / 32);
    const firstId = this.#answeredWords * 32;
    // A read that was not answered neither did nor showed anything.
    this.#unanswered = history
      .filter(({ action, answered }) => !answered && action.kind !== "get")
      .sort((a, b) => byNumber(a.returnedMs, b.returnedMs))
      .map((operation, i) => stepOf(operation, firstId + i));
    this.#done = new Uint32Array(
      this.#answeredWords + Math.ceil(this.#unanswered.length / 32),
    );
  }

  run(): Verdict {
    const path = [this.#frame([], ABSENT, -Infinity)];
    const longest: Frame[] = [];
    // How much of the longest path this one begins with.
    let shared = 0;
    while (this.#entries.first !== undefined) {
      const frame = path[path.length - 1];
      const steps = frame.candidates.pop();
      if (steps !== undefined) {
        let { state, latestMs } = frame;
        for (const step of steps) {
          this.#do(step);
          state = after(step, state);
          latestMs = Math.max(latestMs, step.operation.invokedMs);
        }
        if (this.#isNew(state)) path.push(this.#frame(steps, state, latestMs));
        else this.#undo(steps);
        continue;
      }
      if (path.length > longest.length) {
        for (; shared < path.length; shared++) longest[shared] = path[shared];
      }
      path.pop();
      if (path.length === 0) return this.#failure(longest);
      shared = Math.min(shared, path.length);
      this.#undo(frame.by);
    }
    return { linearizable: true, order: operationsOf(path) };
  }

  #frame(by: readonly Step[], state: State, latestMs: number): Frame {
    const isOpen = (step: Step) =>
      !this.#isDone(step) && step.operation.returnedMs >= latestMs;
    const endsMs = this.#unanswered.find(isOpen)?.operation.returnedMs ??
      Infinity;
    const candidates: Step[][] = [];
    const unfit: Step[] = [];
    // Those of which something answered is still to be done.
    const sessions = new Set<number>();
    let untilMs = Infinity;
    for (let entry = this.#entries.first; entry; entry = entry.next) {
      const { step, isCall } = entry;
      const { action, session, invokedMs, returnedMs } = step.operation;
      if (!isCall) {
        // What was called after this return comes after what it belongs to.
        untilMs = returnedMs;
        break;
      }
      if (sessions.has(session)) continue;
      sessions.add(session);
      const next = after(step, state);
      // What changes nothing keeps nothing from coming later, unless that has
      // to come before it.
      if (next === state && action.kind !== "set" && invokedMs <= endsMs) {
        return { by, state, latestMs, candidates: [[step]] };
      }
      if (next === IMPOSSIBLE) unfit.push(step);
      else candidates.push([step]);
    }
    if (unfit.length > 0) {
      const open = this.#unanswered.filter((step) => {
        const { invokedMs, session } = step.operation;
        return isOpen(step) && invokedMs <= untilMs && !sessions.has(session);
      });
      candidates.push(...pairs(open, unfit));
    }
    return { by, state, latestMs, candidates: candidates.reverse() };
  }

  /** Remembers a configuration; tells whether it has not been in it before. */
  #isNew(state: State): boolean {
    const done = this.#done;
    const { first } = this.#entries;
    // All bits before that of the first call left are set.
    const from = first === undefined
      ? this.#answeredWords
      : first.step.id >>> 5;
    const answered = done.subarray(from, this.#endWord).join();
    const unanswered = done.subarray(this.#answeredWords).join();
    const key = `${state}:${from}:${answered}:${unanswered}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #isDone({ id }: Step): boolean {
    return (this.#done[id >>> 5] >>> (id & 31) & 1) === 1;
  }

  #do(step: Step): void {
    const word = step.id >>> 5;
    this.#done[word] |= 1 << (step.id & 31);
    if (word >= this.#answeredWords) return;
    this.#entries.lift(step);
    this.#endWord = Math.max(this.#endWord, word + 1);
  }

  #undo(steps: readonly Step[]): void {
    for (let i = steps.length - 1; i >= 0; i--) {
      const { id } = steps[i];
      const word = id >>> 5;
      this.#done[word] &= ~(1 << (id & 31));
      if (word < this.#answeredWords) this.#entries.unlift(steps[i]);
    }
    while (this.#endWord > 0 && this.#done[this.#endWord - 1] === 0) {
      this.#endWord--;
    }
  }

  #failure(longest: readonly Frame[]): Verdict {
    const order = operationsOf(longest);
    const done = new Set(order);
    const [blocked] = this.#answered.map(({ operation }) => operation)
      .filter((operation) => !done.has(operation))
      .sort((a, b) => a.returnedMs - b.returnedMs);
    return { linearizable: false, order, blocked };
  }
}

/**
 * What was not answered is done only for the sake of an answered operation that
 * fits right after it and would not have fitted before: in all other cases it
 * makes no difference.
 *
 * @param open What may be done, the first to end first.
 * @param unfit What does not fit without.
 */
function pairs(open: readonly Step[], unfit: readonly Step[]): Step[][] {
  const tried = new Set<State>();
  return open.flatMap((first) => {
    // Of those that do the same it is enough to try the first to end: were it
    // done later or never, and another now, the two could change places.
    if (tried.has(first.state)) return [];
    tried.add(first.state);
    return unfit.filter((step) => after(step, first.state) !== IMPOSSIBLE)
      .map((step) => [first, step]);
  });
}

function operationsOf(path: readonly Frame[]): Operation[] {
  return path.flatMap(({ by }) => by.map(({ operation }) => operation));
}

/** Compares numbers of which several may be `Infinity`. */
function byNumber(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** The state after an operation, if that can be the next one in a state. */
function after(
  { operation: { action, answered }, state: own }: Step,
  state: State,
): State | typeof IMPOSSIBLE {
  switch (action.kind) {
    case "set":
      return own;
    case "get":
      return state === own ? state : IMPOSSIBLE;
    case "remove":
      return !answered || action.found === (state !== ABSENT)
        ? ABSENT
        : IMPOSSIBLE;
  }
}
