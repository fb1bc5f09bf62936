// Not with @std/assert, since it may be what is tested here
import {
  deepStrictEqual,
  match,
  rejects,
  strictEqual,
  throws,
} from "node:assert";
import { inspect } from "node:util";
import * as a from "../../offline/assert.ts";
import { parseArgs } from "../../offline/parse_args.ts";
import { toText } from "../../offline/to_text.ts";

const symbol = Symbol("s");
const ring: Record<string, unknown> = { value: -0 };
ring.next = ring;
const sameRing: Record<string, unknown> = { value: 0 };
sameRing.next = sameRing;

const EQUAL: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  [[{ a: -0 }], [{ a: 0 }]],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [{ [symbol]: 1 }, { [symbol]: 1 }],
  [new Date(5), new Date(5)],
  [/a/g, /a/g],
  [new URL("http://a.test/b"), new URL("http://a.test/b")],
  [new Set([{ a: 1 }, { b: 2 }]), new Set([{ b: 2 }, { a: 1 }])],
  [
    new Map([[{ k: 1 }, 1], [{ k: 2 }, 2]]),
    new Map([[{ k: 2 }, 2], [{ k: 1 }, 1]]),
  ],
  [new Uint8Array([9, 1, 2]).subarray(1), new Uint8Array([1, 2])],
  [new BigInt64Array([5n]), new BigInt64Array([5n])],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new DataView(new ArrayBuffer(4), 2), new DataView(new ArrayBuffer(2))],
  [ring, sameRing],
];

const DIFFERENT: [unknown, unknown][] = [
  [1, "1"],
  [1, 1n],
  [null, undefined],
  [[], {}],
  [[1, 2], [2, 1]],
  [[undefined], [,]],
  [{ a: undefined }, {}],
  [{ a: undefined }, { b: undefined }],
  [{ a: { b: 1 } }, { a: { b: 2 } }],
  [{ [symbol]: 1 }, { [symbol]: 2 }],
  [new Date(5), new Date(6)],
  [/a/g, /a/],
  [new URL("http://a.test/b"), new URL("http://a.test/c")],
  [new Set([{ a: 1 }, { a: 1 }]), new Set([{ a: 1 }, { a: 2 }])],
  [new Map([["a", undefined]]), new Map([["b", undefined]])],
  [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 2]])],
  [new Map(), new Set()],
  [new Uint8Array([1]), new Uint8Array([1, 0])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1]), [1]],
  [new DataView(new ArrayBuffer(1)), new DataView(new ArrayBuffer(2))],
  [
    new class A {
      x = 1;
    }(),
    { x: 1 },
  ],
  [() => 1, () => 1],
];

Deno.test("assertEquals() and assertNotEquals() compare deeply, whichever way round", () => {
  for (const [left, right] of EQUAL) {
    a.assertEquals(left, right);
    a.assertEquals(right, left);
    throws(() => a.assertNotEquals(left, right), inspect([left, right]));
  }
  for (const [left, right] of DIFFERENT) {
    a.assertNotEquals(left, right);
    throws(() => a.assertEquals(left, right), inspect([left, right]));
    throws(() => a.assertEquals(right, left), inspect([left, right]));
  }
});

Deno.test("assertEquals() shows the lines that differ, and soon where there are many", () => {
  const lines = Array.from({ length: 9 }, (_, i) => `line ${i}`);
  throws(
    () => a.assertEquals([...lines, "old"], [...lines, "new"], "Note"),
    /^AssertionError.*: Note: Expected values [^]*\n\+ +'old'\n- +'new'\n/,
  );
  const many = (word: string) =>
    Array.from({ length: 20_000 }, (_, i) => `${i < 10_000 ? "" : word}${i}`);
  throws(
    () => a.assertEquals(many("a"), many("b")),
    (error: Error) => {
      match(error.message, /\n\+ …[^]*'a10000'[^]*\n- …[^]*'b10000'/);
      return error.message.length < 1_000;
    },
  );
});

Deno.test("Assertions hold, or fail with what they found and the caller's message", () => {
  class Point {}
  const cases: [() => void, () => void, RegExp][] = [
    [() => a.assert("x"), () => a.assert(0, "Note"), /Note: .*true/],
    [() => a.assertFalse(""), () => a.assertFalse(1, "Note"), /Note: .*false/],
    [
      () => a.assertInstanceOf(new Point(), Point),
      () => a.assertInstanceOf(new Date(0), Point, "Note"),
      /Note: .* of Point: 1970-/,
    ],
    [
      () => a.assertMatch("abc", /^a.c$/),
      () => a.assertMatch("abc", /^b/, "Note"),
      /Note: .*'abc' to match \/\^b\//,
    ],
    [
      () => a.assertStringIncludes("abc", "b"),
      () => a.assertStringIncludes("abc", "x", "Note"),
      /Note: .*'abc' to include 'x'/,
    ],
    [() => {}, () => a.assertNotEquals(1, 1, "Note"), /Note: .* than 1/],
  ];
  for (const [holds, fails, message] of cases) {
    holds();
    throws(fails, { name: "AssertionError", message });
  }
});

Deno.test("assertThrows() and assertRejects() check class and message, and return the error", async () => {
  const error = new RangeError("Too far");
  const fn = () => {
    throw error;
  };
  const cases: [ErrorConstructor, string, RegExp?][] = [
    [Error, ""],
    [RangeError, "far"],
    [TypeError, "far", /^Note: .* of TypeError: RangeError: Too far/],
    [RangeError, "near", /^Note: .*'Too far' to include 'near'/],
  ];
  for (const [type, text, message] of cases) {
    const thrown = () => a.assertThrows(fn, type, text, "Note");
    const rejected = () =>
      a.assertRejects(() => Promise.reject(error), type, text, "Note");
    if (message === undefined) {
      strictEqual(thrown(), error);
      strictEqual(await rejected(), error);
    } else {
      throws(thrown, { name: "AssertionError", message });
      await rejects(rejected, { name: "AssertionError", message });
    }
  }
  strictEqual(a.assertThrows(fn), error);
  strictEqual(await a.assertRejects(() => Promise.reject(5)), 5);
  throws(() => a.assertThrows(() => {}), /to throw/);
  await rejects(a.assertRejects(() => Promise.resolve()), /to reject/);
  await rejects(a.assertRejects(fn), /throws when expected to reject/);
  await rejects(a.assertRejects(() => 5 as never), /returns no promise/);
});

Deno.test("parseArgs() reads flags, and asks unknown() about all else", () => {
  const options = {
    string: ["s", "text"],
    boolean: ["b", "all"],
    collect: ["text", "all"],
    "--": true,
  } as const;
  type Unknown = [arg: string, key?: string];
  const cases: [string, Record<string, unknown>, ...Unknown[]][] = [
    ["", {}],
    ["--s=x --b k", { s: "x", b: true }, ["k"]],
    ["--text 1 --text=2", { text: ["1", "2"] }],
    ["--text= --text=a=b --text=-1", { text: ["", "a=b", "-1"] }],
    ["--all=true --all=false --all", { all: [true, false, true] }],
    ["--s=x --s=y --b=false", { s: "y" }],
    ["- -- --b 1 --", { "--": ["--b", "1", "--"] }, ["-"]],
    ["--o=2 cow", {}, ["--o=2", "o"], ["cow"]],
    ["--no-b --no-s", {}, ["--no-b", "no-b"], ["--no-s", "no-s"]],
    ["-xy -7", {}, ["-xy", "x"], ["-xy", "y"], ["-7", "7"]],
    ["--__proto__ a", {}, ["--__proto__", "__proto__"], ["a"]],
  ];
  for (const [line, expected, ...unknown] of cases) {
    const args = line.split(" ").filter((arg) => arg !== "");
    const calls: Unknown[] = [];
    const found = parseArgs(args, {
      ...options,
      unknown: (...call) => {
        calls.push(call);
        return false;
      },
    });
    const none = { b: false, all: [], text: [], "--": [] };
    deepStrictEqual(found, { ...none, ...expected }, line);
    deepStrictEqual(calls, unknown, line);
  }
});

Deno.test("toText() reads strings, and bytes as UTF-8 wherever chunks end", async () => {
  const bytes = Array.from(
    new TextEncoder().encode("aé€😀"),
    (byte) => Uint8Array.of(byte),
  );
  strictEqual(
    await toText(ReadableStream.from(["Hello, ", "world!"])),
    "Hello, world!",
  );
  strictEqual(await toText(ReadableStream.from(bytes)), "aé€😀");
  strictEqual(
    await toText(ReadableStream.from(bytes.slice(0, -1))),
    "aé€\uFFFD",
  );
  strictEqual(await toText(ReadableStream.from<string>([])), "");
  const failing = new ReadableStream<string>({
    pull(controller) {
      controller.error(new Error("no more"));
    },
  });
  await rejects(() => toText(failing), /no more/);
});
