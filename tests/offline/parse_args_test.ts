import { assertEquals, assertThrows } from "@std/assert";
// The module itself and not the mapped name, which may be the real one
import { parseArgs } from "../../offline/cli/parse_args.ts";

/** Does not compile unless the two types are the same. */
function assertType<Expected>(): <Actual>(
  value: Actual,
  ...same: Same<Actual, Expected> extends true ? [] : ["types differ"]
) => void {
  return () => {};
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends
  (<T>() => T extends B ? 1 : 2) ? true : false;

Deno.test("parseArgs() reads --name, --name=value and --name value", () => {
  assertEquals(parseArgs(["--foo", "--bar=baz", "./quux.txt"]), {
    foo: true,
    bar: "baz",
    _: ["./quux.txt"],
  });
  assertEquals(parseArgs(["--host", "localhost", "--port", "555"]), {
    host: "localhost",
    port: 555,
    _: [],
  });
  assertEquals(parseArgs(["--a", "--b", "-c"]), {
    a: true,
    b: true,
    c: true,
    _: [],
  });
  assertEquals(parseArgs(["--foo="]), { foo: "", _: [] });
  assertEquals(parseArgs(["--s=X\nX"]), { s: "X\nX", _: [] });
  assertEquals(parseArgs(["--foo=a=b"]), { foo: "a=b", _: [] });
});

Deno.test("parseArgs() reads groups of one-letter flags", () => {
  assertEquals(parseArgs(["-cats", "meow"]), {
    c: true,
    a: true,
    t: true,
    s: "meow",
    _: [],
  });
  assertEquals(parseArgs(["-n123"]), { n: 123, _: [] });
  assertEquals(parseArgs(["-b=123"]), { b: 123, _: [] });
  assertEquals(parseArgs(["-e=="]), { e: "=", _: [] });
  assertEquals(parseArgs(["-abc="]), { a: true, b: true, c: "", _: [] });
  assertEquals(parseArgs(["-xyz/foo"]), { x: true, y: true, z: "/foo", _: [] });
  assertEquals(parseArgs(["-a!"]), { a: true, "!": true, _: [] });
  assertEquals(parseArgs(["-123", "456"]), { 1: true, 2: true, 3: 456, _: [] });
  assertEquals(parseArgs(["-art"], { string: ["a", "t"] }), {
    a: "",
    r: true,
    t: "",
    _: [],
  });
});

Deno.test("parseArgs() takes - for a value and for an operand", () => {
  assertEquals(parseArgs(["-n", "-"]), { n: "-", _: [] });
  assertEquals(parseArgs(["-f-"]), { f: "-", _: [] });
  assertEquals(parseArgs(["-"]), { _: ["-"] });
  assertEquals(parseArgs(["-b", "-"], { boolean: "b" }), { b: true, _: ["-"] });
});

Deno.test("parseArgs() makes numbers of what looks like one, but not of strings", () => {
  assertEquals(
    parseArgs(["-x", "1234", "-y", "5.67", "-z", "1e7", "-w", "10f"]),
    { x: 1234, y: 5.67, z: 1e7, w: "10f", _: [] },
  );
  assertEquals(parseArgs(["--hex", "0xff", "789"]), { hex: 255, _: [789] });
  assertEquals(parseArgs(["-x", "\t"]), { x: "\t", _: [] });
  assertEquals(parseArgs(["-s", "0001234", "56"], { string: "s" }), {
    s: "0001234",
    _: [56],
  });
  assertEquals(parseArgs(["56", "  "], { string: "_" }), { _: ["56", "  "] });
  assertEquals(parseArgs(["--str"], { string: "str" }), { str: "", _: [] });
});

Deno.test("parseArgs() gives boolean flags no value but true and false", () => {
  assertEquals(
    parseArgs(["-x", "-z", "one", "two"], { boolean: ["x", "y", "z"] }),
    { x: true, y: false, z: true, _: ["one", "two"] },
  );
  assertEquals(
    parseArgs(["--verbose", "false", "moo", "-t", "true"], {
      boolean: ["t", "verbose"],
    }),
    { verbose: false, t: true, _: ["moo"] },
  );
  assertEquals(parseArgs(["--b=false"], { boolean: "b" }).b, false);
  assertEquals(parseArgs(["--b=yes"], { boolean: "b" }).b, true);
  assertEquals(parseArgs(["-t", "false123"], { boolean: "t" }).t, true);
});

Deno.test("parseArgs() takes every long flag for a boolean one if told so", () => {
  assertEquals(
    parseArgs(["moo", "--honk", "cow", "-p", "55", "--tacos=good"], {
      boolean: true,
    }),
    { honk: true, tacos: "good", p: 55, _: ["moo", "cow"] },
  );
});

Deno.test("parseArgs() keeps the last value, or all that it is to collect", () => {
  assertEquals(parseArgs(["-v", "a", "-v", "b"]), { v: "b", _: [] });
  assertEquals(
    parseArgs(["--foo", "1", "--foo", "2", "--bib", "--bib"], {
      collect: ["foo", "bib"],
    }),
    { foo: [1, 2], bib: [true, true], _: [] },
  );
  assertEquals(
    parseArgs([], { string: ["s"], boolean: ["b"], collect: ["s", "b", "x"] }),
    { s: [], b: [], _: [] } as never,
  );
});

Deno.test("parseArgs() turns off what is negatable, and nothing else", () => {
  const options = { boolean: ["foo"], negatable: ["foo"] } as const;
  assertEquals(parseArgs(["--no-foo"], options).foo, false);
  assertEquals(parseArgs(["--foo", "--no-foo", "123"], options), {
    foo: false,
    _: [123],
  });
  assertEquals(parseArgs(["--no-foo", "--foo"], options).foo, true);
  assertEquals(parseArgs(["--no-moo"]), { "no-moo": true, _: [] });
  assertEquals(
    parseArgs(["--foo", "1", "--no-foo"], {
      string: "foo",
      collect: "foo",
      negatable: "foo",
    }).foo,
    false,
  );
});

Deno.test("parseArgs() sets the defaults of flags that are not given", () => {
  const options = {
    boolean: "maybe",
    default: { maybe: null, n: 1 },
  } as const;
  assertEquals(parseArgs([], options), { maybe: null, n: 1, _: [] });
  assertEquals(parseArgs(["--maybe", "-n2"], options), {
    maybe: true,
    n: 2,
    _: [],
  });
  assertEquals(parseArgs([], { collect: "a", default: { a: [1] } }).a, [1]);
});

Deno.test("parseArgs() sets a flag under all its names", () => {
  const options = { alias: { z: ["zm", "zoom"] } } as const;
  const expected = { z: 55, zm: 55, zoom: 55, _: [] };
  for (const flag of ["-z", "--zm", "--zoom"]) {
    assertEquals(parseArgs([flag, "55"], options), expected);
  }
  assertEquals(
    parseArgs(["-h", "derp"], { boolean: "herp", alias: { h: "herp" } }),
    { h: true, herp: true, _: ["derp"] } as never,
  );
  assertEquals(
    parseArgs([], { alias: { a: "b" }, default: { a: 1 } }),
    { a: 1, b: 1, _: [] },
  );
  assertThrows(
    () => parseArgs([], { alias: { h: undefined } }),
    TypeError,
    "Alias value must be defined",
  );
});

Deno.test("parseArgs() ends flags at -- and, if told so, at the first operand", () => {
  assertEquals(parseArgs(["-a", "--", "-b"]), { a: true, _: ["-b"] });
  assertEquals(parseArgs(["x", "--", "1", "--"], { "--": true }), {
    _: ["x"],
    "--": ["1", "--"],
  });
  assertEquals(parseArgs([], { "--": true }), { _: [], "--": [] });
  assertEquals(
    parseArgs(["--aaa", "bbb", "ccc", "--ddd"], { stopEarly: true }),
    { aaa: "bbb", _: ["ccc", "--ddd"] },
  );
});

Deno.test("parseArgs() asks unknown() about what no option names", () => {
  const calls: unknown[][] = [];
  const found = parseArgs(
    ["--honk", "--tacos=good", "cow", "-p", "55", "-k", "1", "-c", "2"],
    {
      boolean: true,
      string: "k",
      collect: "c",
      unknown: (...call) => {
        calls.push(call);
        return false;
      },
    },
  );
  assertEquals(calls, [
    ["--tacos=good", "tacos", "good"],
    ["cow"],
    ["-p", "p", "55"],
  ]);
  assertEquals(found, { honk: true, k: "1", c: [2], _: [] });
  assertEquals(parseArgs(["--a", "b"], { unknown: () => true }), {
    a: "b",
    _: [],
  });
});

Deno.test("parseArgs() makes objects of names with dots", () => {
  assertEquals(
    parseArgs(["--a.b", "3", "--a.c.d"], { default: { "a.e": 1, "a.b": 2 } }),
    { a: { b: 3, c: { d: true }, e: 1 }, _: [] } as never,
  );
  assertEquals(
    parseArgs(["--a.b", "1", "--a", "2"], { collect: "a" }).a,
    [{ b: 1 }, 2],
  );
});

Deno.test("parseArgs() lets no argument change the prototype of objects", () => {
  parseArgs(["--__proto__.bad", "1", "--constructor.prototype.bad", "1"]);
  parseArgs(["--toString.bad", "1"]);
  assertEquals("bad" in {}, false);
  assertEquals("bad" in Object.prototype.toString, false);
  assertEquals(parseArgs(["--toString"]).toString, true as never);
});

Deno.test("parseArgs() types the flags that its options name", () => {
  const args = parseArgs([], {
    boolean: ["b", "bs"],
    string: ["s", "ss", "n", "d"],
    collect: ["bs", "ss", "us"],
    negatable: ["n"],
    default: { d: 1, x: 2 },
    alias: { s: ["t", "u"] },
    "--": true,
  });
  assertType<boolean>()(args.b);
  assertType<boolean[]>()(args.bs);
  assertType<string | undefined>()(args.s);
  assertType<string | undefined>()(args.u);
  assertType<string[]>()(args.ss);
  assertType<unknown[]>()(args.us);
  assertType<string | false | undefined>()(args.n);
  assertType<string | number>()(args.d);
  assertType<unknown>()(args.x);
  assertType<unknown>()(args.other);
  assertType<(string | number)[]>()(args._);
  assertType<string[]>()(args["--"]);
});

Deno.test("parseArgs() types what it returns where the options are not known", () => {
  const names: string[] = [];
  const args: ReturnType<typeof parseArgs> = parseArgs([], {
    string: [...names, "_"],
    boolean: names,
    collect: names,
    "--": true,
  });
  assertType<unknown>()(args.any);
  assertType<(string | number)[]>()(args._);
  assertType<string[] | undefined>()(args["--"]);
});
