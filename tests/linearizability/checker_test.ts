import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Random } from "../engine/kvs/_helpers.ts";
import { linearize } from "./_checker.ts";
import { type Action, byKey, type Operation } from "./_history.ts";
import { isLegal, isLinearizable } from "./_reference.ts";
import { simulate } from "./_simulate.ts";

const set = (value: string): Action => ({ kind: "set", value });
const get = (value?: string): Action => ({ kind: "get", value });
const remove = (found?: boolean): Action => ({ kind: "remove", found });

let sessions = 0;

/** An operation on a connection of its own, unless told otherwise. */
function operation(
  action: Action,
  invokedMs: number,
  returnedMs: number,
  session = ++sessions,
): Operation {
  return { key: "k", action, session, invokedMs, returnedMs, answered: true };
}

/** One that was not answered. */
function lost(
  action: Action,
  invokedMs: number,
  returnedMs = Infinity,
): Operation {
  return { ...operation(action, invokedMs, returnedMs), answered: false };
}

const RIGHT: Record<string, Operation[]> = {
  "nothing": [],
  "a read of nothing": [operation(get(), 0, 1)],
  "a read after a write": [
    operation(set("a"), 0, 1),
    operation(get("a"), 2, 3),
  ],
  "reads of both values during a write": [
    operation(set("a"), 0, 1),
    operation(set("b"), 2, 9),
    operation(get("a"), 3, 4),
    operation(get("b"), 5, 6),
  ],
  "two writes at once, in either order": [
    operation(set("a"), 0, 5),
    operation(set("b"), 0, 5),
    operation(get("a"), 6, 7),
  ],
  "a write between two that return at the moment of its call": [
    operation(set("a"), 0, 1),
    operation(get("b"), 1, 1),
    operation(set("b"), 1, 2),
  ],
  "two removals at once, one of which finds the key": [
    operation(set("a"), 0, 1),
    operation(remove(true), 2, 5),
    operation(remove(false), 2, 5),
  ],
  "a lost write that took effect late": [
    operation(set("a"), 0, 1),
    lost(set("b"), 2),
    operation(get("a"), 3, 4),
    operation(get("b"), 5, 6),
  ],
  "a lost write that never took effect": [
    operation(set("a"), 0, 1),
    lost(set("b"), 2),
    operation(get("a"), 3, 4),
  ],
  "a lost removal that took effect": [
    operation(set("a"), 0, 1),
    lost(remove(), 2),
    operation(get(), 3, 4),
  ],
  "a lost write that only a removal has seen": [
    lost(set("a"), 0),
    operation(remove(true), 1, 2),
  ],
  "lost writes, the later of which ends first": [
    lost(set("a"), 0, 20),
    lost(set("b"), 1, 3),
    operation(remove(true), 2, 4),
    operation(remove(true), 10, 11),
  ],
  "what one connection did in its order": [
    operation(set("a"), 0, 9, 0),
    operation(get("a"), 0, 9, 0),
    operation(remove(true), 0, 9, 0),
    operation(get(), 0, 9, 0),
  ],
};

const WRONG: Record<string, Operation[]> = {
  "a value out of thin air": [
    operation(set("a"), 0, 1),
    operation(get("b"), 2, 3),
  ],
  "a value from the future": [
    operation(get("a"), 0, 1),
    operation(set("a"), 2, 3),
  ],
  "a stale read": [
    operation(set("a"), 0, 1),
    operation(set("b"), 2, 3),
    operation(get("a"), 4, 5),
  ],
  "a read that goes back while the write goes on": [
    operation(set("a"), 0, 1),
    operation(set("b"), 2, 9),
    operation(get("b"), 3, 4),
    operation(get("a"), 5, 6),
  ],
  "a lost update": [
    operation(set("a"), 0, 1),
    operation(get(), 2, 3),
  ],
  "two who see two writes in two orders": [
    operation(set("a"), 0, 9),
    operation(set("b"), 0, 9),
    operation(get("a"), 1, 2),
    operation(get("b"), 3, 4),
    operation(get("a"), 5, 6),
  ],
  "a read of what was removed": [
    operation(set("a"), 0, 1),
    operation(remove(true), 2, 3),
    operation(get("a"), 4, 5),
  ],
  "a removal that misses the key": [
    operation(set("a"), 0, 1),
    operation(remove(false), 2, 3),
  ],
  "a removal that finds no key": [operation(remove(true), 0, 1)],
  "two removals that find one key": [
    operation(set("a"), 0, 1),
    operation(remove(true), 2, 5),
    operation(remove(true), 2, 5),
  ],
  "a lost write that was seen, then unseen": [
    operation(set("a"), 0, 1),
    lost(set("b"), 2),
    operation(get("b"), 3, 4),
    operation(get("a"), 5, 6),
  ],
  "a lost write seen before it was sent": [
    operation(get("a"), 0, 1),
    lost(set("a"), 2),
  ],
  "a lost write that takes effect after its end": [
    operation(set("a"), 0, 1),
    lost(set("b"), 2, 3),
    operation(get("a"), 4, 5),
    operation(get("b"), 6, 7),
  ],
  "a lost removal that takes effect after its end": [
    operation(set("a"), 0, 1),
    lost(remove(), 2, 3),
    operation(get("a"), 4, 5),
    operation(get(), 6, 7),
  ],
  "one lost write that two removals have seen": [
    lost(set("a"), 0),
    operation(remove(true), 1, 2),
    operation(remove(true), 3, 4),
  ],
  "what one connection did in another order": [
    operation(set("a"), 0, 9, 0),
    operation(set("b"), 0, 9, 0),
    operation(get("a"), 10, 11),
  ],
  "a connection that misses its own write": [
    operation(set("a"), 0, 9, 0),
    operation(get(), 0, 9, 0),
  ],
};

for (const [name, history] of Object.entries(RIGHT)) {
  Deno.test(`linearize() accepts ${name}`, () => {
    const verdict = linearize(history);
    assert(verdict.linearizable);
    assert(isLegal(verdict.order, history));
    assert(isLinearizable(history), "the reference says otherwise");
  });
}

for (const [name, history] of Object.entries(WRONG)) {
  Deno.test(`linearize() rejects ${name}`, () => {
    assert(!linearize(history).linearizable);
    assert(!isLinearizable(history), "the reference says otherwise");
  });
}

Deno.test("linearize() says what does not fit, and what went before", () => {
  const before = [
    operation(set("a"), 0, 1),
    operation(remove(true), 2, 3),
  ];
  const stale = operation(get("a"), 4, 5);
  const verdict = linearize([...before, stale, operation(set("b"), 6, 7)]);
  assertEquals(verdict, {
    linearizable: false,
    order: before,
    blocked: stale,
  });
});

const arbitraryAction: fc.Arbitrary<Action> = fc.oneof(
  fc.constantFrom("a", "b", "c").map(set),
  fc.constantFrom("a", "b", undefined).map(get),
  fc.boolean().map(remove),
);

/** Up to seven operations with whatever answers, some of them lost. */
const arbitraryHistory: fc.Arbitrary<Operation[]> = fc.array(
  fc.record({
    action: arbitraryAction,
    session: fc.nat(3),
    invokedMs: fc.nat(12),
    takesMs: fc.oneof(fc.nat(6), fc.constant(Infinity)),
    isLost: fc.nat(3).map((n) => n === 0),
  }),
  { maxLength: 7 },
).map((drawn) => {
  const ended = new Set<number>();
  return drawn.sort((a, b) => a.invokedMs - b.invokedMs).map(
    ({ action, session, invokedMs, takesMs, isLost }, i) => {
      // Nothing that is answered comes on a connection after what is not.
      const own = ended.has(session) ? 10 + i : session;
      if (isLost) ended.add(session);
      const answered = !isLost;
      const returnedMs = invokedMs +
        (answered ? Math.min(takesMs, 6) : takesMs);
      return {
        key: "k",
        action,
        session: own,
        invokedMs,
        returnedMs,
        answered,
      };
    },
  );
});

Deno.test("linearize() agrees with trying all orders", () => {
  const found = { right: 0, wrong: 0 };
  fc.assert(
    fc.property(arbitraryHistory, (history) => {
      const verdict = linearize(history);
      assertEquals(verdict.linearizable, isLinearizable(history));
      assert(isLegal(verdict.order, history));
      found[verdict.linearizable ? "right" : "wrong"]++;
    }),
    { numRuns: 4_000 },
  );
  assert(found.right > 400 && found.wrong > 400, JSON.stringify(found));
});

Deno.test("linearize() accepts what a register left, whoever overlaps with whom", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), (seed, sessions) => {
      const history = simulate(new Random(seed), 300, sessions);
      const verdict = linearize(history);
      assert(verdict.linearizable);
      assert(isLegal(verdict.order, history));
      const answered = history.filter(({ answered }) => answered);
      const order = new Set(verdict.order);
      assert(answered.every((operation) => order.has(operation)));
    }),
    { numRuns: 60 },
  );
});

/** Values that a read cannot have found, whatever overlaps with it. */
function impossibleFor(read: Operation, history: Operation[]): string[] {
  const writes = history.filter(({ action, answered }) =>
    answered && action.kind !== "get"
  );
  const impossible = ["out of thin air"];
  for (const { action, invokedMs, returnedMs } of history) {
    if (action.kind !== "set") continue;
    const isOverwritten = writes.some((write) =>
      returnedMs < write.invokedMs && write.returnedMs < read.invokedMs
    );
    if (isOverwritten || invokedMs > read.returnedMs) {
      impossible.push(action.value);
    }
  }
  return impossible;
}

Deno.test("linearize() rejects a read of a value that is too old or too new", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), (seed, sessions) => {
      const random = new Random(seed);
      const history = simulate(random, 120, sessions);
      const reads = history.filter(({ action, answered }) =>
        answered && action.kind === "get"
      );
      fc.pre(reads.length > 0);
      const read = reads[random.below(reads.length)];
      const values = impossibleFor(read, history);
      const value = values[random.below(values.length)];
      const changed = history.map((operation) =>
        operation === read ? { ...read, action: get(value) } : operation
      );
      const verdict = linearize(changed);
      assert(!verdict.linearizable, `${value} was accepted`);
      assert(isLegal(verdict.order, changed));
    }),
    { numRuns: 200 },
  );
});

Deno.test("linearize() copes with many lost writes and many clients", () => {
  const random = new Random(1);
  const history = [
    ...Array.from({ length: 200 }, (_, i) => lost(set(`lost ${i}`), i)),
    ...Array.from({ length: 200 }, (_, i) => lost(remove(), i)),
    ...simulate(random, 10_000, 16),
  ];
  assert(linearize(history).linearizable);
});

Deno.test("byKey() keeps the order of each key", () => {
  const history = [["a", 1], ["b", 2], ["a", 3]].map(([key, invokedMs]) => ({
    ...operation(get(), Number(invokedMs), 4),
    key: String(key),
  }));
  const [first, second, third] = history;
  assertEquals(
    [...byKey(history)],
    [["a", [first, third]], ["b", [second]]],
  );
});
