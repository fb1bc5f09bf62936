// Not with @std/assert, since it may be what is tested here
import {
  deepStrictEqual,
  match,
  rejects,
  strictEqual,
  throws,
} from "node:assert";
import * as a from "../../offline/assert/mod.ts";

/** The message of the assertion that a function fails. */
function failure(fn: () => unknown): string {
  try {
    fn();
  } catch (error) {
    if (error instanceof a.AssertionError) return error.message;
    throw error;
  }
  throw new Error(`No assertion fails in ${fn}`);
}

class Point {
  #x: number;
  constructor(x: number) {
    this.#x = x;
  }
  get x() {
    return this.#x;
  }
}

const symbol = Symbol("s");

/** An object that contains itself, by way of a number of others. */
function makeRing(length: number, value = 0): object {
  const last: Record<string, unknown> = { value };
  let ring = last;
  for (let i = 1; i < length; i++) ring = { value: 0, next: ring };
  last.next = ring;
  return ring;
}

const [first, second, third] = [{ v: 1 }, { v: 2 }, { v: 1 }];

const EQUAL: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  ["a", "a"],
  [null, null],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [Object.create(null), {}],
  [{ [symbol]: 1 }, { [symbol]: 1 }],
  [new Date(5), new Date(5)],
  [new Date(NaN), new Date(NaN)],
  [/a/g, /a/g],
  [new URL("http://a.test/b"), new URL("http://a.test/b")],
  [new Set([1, "2", symbol]), new Set([symbol, "2", 1])],
  [new Set([{ a: 1 }, { b: 2 }]), new Set([{ b: 2 }, { a: 1 }])],
  [new Map([["a", [1]], ["b", [2]]]), new Map([["b", [2]], ["a", [1]]])],
  [
    new Map([[{ k: 1 }, 1], [{ k: 2 }, 2]]),
    new Map([[{ k: 2 }, 2], [{ k: 1 }, 1]]),
  ],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Uint8Array([9, 1, 2]).subarray(1), new Uint8Array([1, 2])],
  [new Float64Array([NaN, 0]), new Float64Array([NaN, -0])],
  [new BigInt64Array([5n]), new BigInt64Array([5n])],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new SharedArrayBuffer(2), new SharedArrayBuffer(2)],
  [new DataView(new ArrayBuffer(4), 2), new DataView(new ArrayBuffer(2))],
  [new Point(1), new Point(1)],
  [makeRing(1), makeRing(1)],
  [makeRing(2), makeRing(3)],
];

/** Objects that are compared in a set first, and then side by side. */
function pairAgain(): [unknown, unknown] {
  const [left, right] = [{ v: 1 }, { v: 2 }];
  return [
    { a: new Set([left, { v: 2 }]), b: left },
    { a: new Set([right, { v: 1 }]), b: right },
  ];
}

const DIFFERENT: [unknown, unknown][] = [
  [1, 2],
  [1, "1"],
  [1, 1n],
  [null, undefined],
  [null, {}],
  [[], {}],
  [[1, 2], [1]],
  [[1, 2], [2, 1]],
  [[undefined], [,]],
  [{ a: undefined }, {}],
  [{ a: undefined }, { b: undefined }],
  [{ a: { b: 1 } }, { a: { b: 2 } }],
  [{ [symbol]: 1 }, { [symbol]: 2 }],
  [{ [Symbol()]: 1 }, { [Symbol()]: 1 }],
  [new Date(5), new Date(6)],
  [new Date(NaN), new Date(0)],
  [/a/g, /a/],
  [new URL("http://a.test/b"), new URL("http://a.test/c")],
  [new Set([1]), new Set([2])],
  [new Set([1]), new Set([1, 2])],
  [new Set([{ a: 1 }, { a: 1 }]), new Set([{ a: 1 }, { a: 2 }])],
  [new Set([[1], [2]]), new Set([[1], [3]])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Map([["a", 1]]), new Map([["b", 1]])],
  [new Map([["a", undefined]]), new Map([["b", undefined]])],
  [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 2]])],
  [new Map(), new Set()],
  [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
  [new Uint8Array([1]), new Uint8Array([1, 0])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1]), [1]],
  [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
  [new DataView(new ArrayBuffer(1)), new DataView(new ArrayBuffer(2))],
  [new Point(1), new Point(2)],
  [new Point(1), { x: 1 }],
  [makeRing(1), makeRing(1, 1)],
  [makeRing(2), makeRing(3, 1)],
  [() => 1, () => 1],
  [new Set([first, third]), new Set([first, second])],
  pairAgain(),
];

Deno.test("equal() finds equal what looks the same all the way down", () => {
  for (const [left, right] of EQUAL) {
    strictEqual(a.equal(left, right), true, Deno.inspect([left, right]));
    a.assertEquals(left, right);
    failure(() => a.assertNotEquals(left, right));
  }
});

Deno.test("equal() finds every difference, whichever way round", () => {
  for (const [left, right] of DIFFERENT) {
    strictEqual(a.equal(left, right), false, Deno.inspect([left, right]));
    strictEqual(a.equal(right, left), false, Deno.inspect([right, left]));
    a.assertNotEquals(left, right);
    match(failure(() => a.assertEquals(left, right)), /^Values are not equal/);
  }
});

Deno.test("equal() refuses weak collections, whose contents it cannot see", () => {
  throws(() => a.equal(new WeakMap(), new WeakMap()), TypeError);
  throws(() => a.equal(new WeakSet(), new WeakSet()), TypeError);
  strictEqual(a.equal(new WeakMap(), new WeakSet()), false);
});

Deno.test("equal() compares what weak references refer to", () => {
  const targets = [{ a: 1 }, { a: 1 }, { a: 2 }];
  const [one, alsoOne, two] = targets.map((target) => new WeakRef(target));
  strictEqual(a.equal(one, alsoOne), true);
  strictEqual(a.equal(one, two), false);
  strictEqual(targets.length, 3);
});

Deno.test("assertEquals() shows the lines that differ, and three around them", () => {
  const before = { a: [1, 2, 3, 4, 5, 6, 7], z: "old" };
  const after = { a: [1, 2, 3, 4, 5, 6, 7], z: "new" };
  strictEqual(
    failure(() => a.assertEquals(before, after, "Note")),
    `Values are not equal: Note

    - actual
    + expected

      …
          6,
          7,
        ],
    -   z: "old",
    +   z: "new",
      }
`,
  );
});

Deno.test("assertEquals() shows strings line by line, and long lines in pieces", () => {
  const message = failure(() => a.assertEquals("a\nb\nc\n", "a\nx\nc\n"));
  match(message, /\n {6}"a\\n"\n {4}- "b\\n"\n {4}\+ "x\\n"\n {6}"c\\n"\n$/);
  const long = "x".repeat(100_000);
  const other = `${long.slice(0, 50_000)}y${long.slice(50_001)}`;
  const short = failure(() => a.assertEquals(long, other));
  match(short, /\+ "x*yx*"/);
  strictEqual(short.length < 5_000, true);
});

Deno.test("assertEquals() keeps its message short and its time within bounds", () => {
  const lines = (word: string) =>
    Array.from({ length: 100_000 }, (_, i) => `${word}${i}\n`).join("");
  const message = failure(() => a.assertEquals(lines("a"), lines("b")));
  strictEqual(message.split("\n").length < 500, true);
});

Deno.test("assertStrictEquals() wants the same object", () => {
  const object = { a: 1 };
  a.assertStrictEquals(object, object);
  a.assertStrictEquals(NaN, NaN);
  match(
    failure(() => a.assertStrictEquals({ a: 1 }, object)),
    /^Values look the same but are not\n\n\{\n {2}a: 1,\n\}/,
  );
  match(
    failure(() => a.assertStrictEquals(0, -0, "Note")),
    /^Values are not strictly equal: Note\n[^]*- 0\n {4}\+ -0\n$/,
  );
});

Deno.test("assert() and assertFalse() take what counts as true and false", () => {
  a.assert("x");
  a.assertFalse("");
  strictEqual(failure(() => a.assert(0, "Note")), "Note");
  strictEqual(failure(() => a.assertFalse(1, "Note")), "Note");
  strictEqual(failure(() => a.assert(null)), "");
});

Deno.test("assertExists() refuses undefined and null alone", () => {
  for (const value of [0, "", false, NaN]) a.assertExists(value);
  match(failure(() => a.assertExists(null, "Note")), /found null: Note$/);
  match(failure(() => a.assertExists(undefined)), /found undefined$/);
});

Deno.test("assertInstanceOf() narrows to the class it checks", () => {
  const value: unknown = new Point(3);
  a.assertInstanceOf(value, Point);
  strictEqual(value.x, 3);
  const name = (other: unknown) =>
    failure(() => a.assertInstanceOf(other, Point));
  strictEqual(name(new Date()), "Expected an instance of Point, found Date");
  strictEqual(name(null), "Expected an instance of Point, found null");
  strictEqual(name("x"), "Expected an instance of Point, found string");
  match(name(Object.create(null)), /found an object without a class$/);
});

Deno.test("assertGreater() and its kin compare", () => {
  a.assertGreater(2, 1);
  a.assertGreaterOrEqual(2, 2);
  a.assertLess("a", "b");
  a.assertLessOrEqual(2n, 2n);
  strictEqual(failure(() => a.assertGreater(1, 1)), "Expected 1 > 1");
  strictEqual(failure(() => a.assertLess(1, 1)), "Expected 1 < 1");
  strictEqual(
    failure(() => a.assertGreaterOrEqual(1, 2, "Note")),
    "Expected 1 >= 2: Note",
  );
  strictEqual(
    failure(() => a.assertLessOrEqual(NaN, 2)),
    "Expected NaN <= 2",
  );
});

Deno.test("assertStringIncludes() and assertMatch() look into strings", () => {
  a.assertStringIncludes("abc", "b");
  a.assertMatch("abc", /^a.c$/);
  strictEqual(
    failure(() => a.assertStringIncludes("abc", "x", "Note")),
    'Expected "abc" to include "x": Note',
  );
  strictEqual(
    failure(() => a.assertMatch("abc", /x/)),
    'Expected "abc" to match /x/',
  );
});

Deno.test("assertArrayIncludes() finds equal elements in any order", () => {
  a.assertArrayIncludes([1, { a: 1 }, NaN], [{ a: 1 }, NaN]);
  match(
    failure(() => a.assertArrayIncludes([1, [2]], [[2], [3]])),
    /; missing: \[\n {2}\[\n {4}3,\n {2}\],\n\]$/,
  );
});

Deno.test("assertObjectMatch() asks for no more than is expected", () => {
  class Named {
    name = "n";
    inner = { a: 1, b: [{ c: 1, d: 2 }, 3], when: new Date(0) };
    map = new Map([["k", { v: 1, w: 2 }], ["l", { v: 3, w: 4 }]]);
    set = new Set([1, 2]);
  }
  a.assertObjectMatch(new Named(), {
    inner: { b: [{ c: 1 }], when: new Date(0) },
    map: new Map([["k", { v: 1 }]]),
    set: new Set([2]),
  });
  for (
    const wrong of [
      { name: "m" },
      { missing: undefined },
      { inner: { b: [{ c: 2 }] } },
      { inner: { b: [{ c: 1 }, 3, 4] } },
      { inner: { when: new Date(1) } },
      { map: new Map([["x", 1]]) },
      { set: new Set([3]) },
    ]
  ) failure(() => a.assertObjectMatch(new Named(), wrong));
});

Deno.test("assertObjectMatch() matches one value in different ways, and rings", () => {
  const shared = { a: 1, b: 2 };
  const twice = { x: shared, y: shared };
  a.assertObjectMatch(twice, { x: { a: 1 }, y: { b: 2 } });
  failure(() => a.assertObjectMatch(twice, { x: { a: 1 }, y: { b: 3 } }));
  const ring = { a: 1, self: {} };
  ring.self = ring;
  const expected = { self: {} };
  expected.self = expected;
  a.assertObjectMatch(ring, expected);
  failure(() => a.assertObjectMatch(ring, { self: { self: { a: 2 } } }));
});

Deno.test("assertThrows() returns what was thrown, checked", () => {
  const thrown = new RangeError("too far");
  const fn = () => {
    throw thrown;
  };
  strictEqual(a.assertThrows(fn), thrown);
  const error: RangeError = a.assertThrows(fn, RangeError, "far");
  strictEqual(error, thrown);
  strictEqual(a.assertThrows(fn, Error), thrown);
  match(
    failure(() => a.assertThrows(fn, TypeError, "far", "Note")),
    /instance of TypeError, found RangeError: too far: Note$/,
  );
  strictEqual(
    failure(() => a.assertThrows(fn, RangeError, "near")),
    'Expected error message to include "near", found "too far"',
  );
  strictEqual(
    failure(() => a.assertThrows(() => {}, "Note")),
    "Expected function to throw: Note",
  );
  failure(() => a.assertThrows(() => {}, Error));
  match(
    failure(() =>
      a.assertThrows(() => {
        throw "text";
      }, Error)
    ),
    /^Expected an error, found "text"$/,
  );
});

Deno.test("assertRejects() returns what a promise was rejected with, checked", async () => {
  const reason = new RangeError("too far");
  strictEqual(await a.assertRejects(() => Promise.reject(reason)), reason);
  const error: RangeError = await a.assertRejects(
    () => Promise.reject(reason),
    RangeError,
    "far",
  );
  strictEqual(error, reason);
  const fails = (promise: Promise<unknown>, message: RegExp) =>
    rejects(promise, (thrown: Error) => {
      strictEqual(thrown instanceof a.AssertionError, true);
      match(thrown.message, message);
      return true;
    });
  await fails(
    a.assertRejects(() => Promise.reject(reason), TypeError),
    /instance of TypeError/,
  );
  await fails(
    a.assertRejects(() => Promise.reject(reason), RangeError, "near"),
    /to include "near"/,
  );
  await fails(
    a.assertRejects(() => Promise.resolve(1), "Note"),
    /^Expected function to reject: Note$/,
  );
  await fails(
    a.assertRejects(() => {
      throw reason;
    }),
    /^Function throws when expected to reject/,
  );
  await fails(
    a.assertRejects((() => 1) as never, Error),
    /^Function returns no promise/,
  );
});

Deno.test("fail() and unreachable() always fail", () => {
  strictEqual(failure(() => a.fail("Note")), "Failed assertion: Note");
  strictEqual(failure(() => a.unreachable()), "Unreachable");
  const { name } = new a.AssertionError("m");
  deepStrictEqual(name, "AssertionError");
});
