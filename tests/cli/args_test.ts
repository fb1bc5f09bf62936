import { assert, assertEquals, assertThrows } from "@std/assert";
import { hasFlag, parseCommandArgs } from "../../cli/args.ts";
import { UsageError } from "../../cli/errors.ts";

const FLAGS = {
  values: { addr: "127.0.0.1:4000", dir: undefined },
  switches: ["json"],
};

function parse(...args: string[]) {
  const { operands, value, has } = parseCommandArgs(args, FLAGS, ["KEY"]);
  return [operands, value("addr"), value("dir"), has("json")];
}

Deno.test("parseCommandArgs() takes flags before, behind and between operands", () => {
  const expected = [["k"], "a:1", "d", true];
  assertEquals(parse("k", "--addr", "a:1", "--dir", "d", "--json"), expected);
  assertEquals(parse("--json", "--addr=a:1", "--dir=d", "k"), expected);
  assertEquals(parse("--dir", "d", "k", "--json", "--addr", "a:1"), expected);
});

Deno.test("parseCommandArgs() gives flags their defaults", () => {
  assertEquals(parse("k"), [["k"], "127.0.0.1:4000", undefined, false]);
});

Deno.test("parseCommandArgs() keeps operands as text, whatever they look like", () => {
  for (
    const key of [
      "",
      "0",
      "1e3",
      "0x10",
      "true",
      "false",
      "-",
      "a=b",
      "__proto__",
    ]
  ) {
    assertEquals(parse(key)[0], [key]);
    assertEquals(parse("--json", key)[0], [key]);
    assertEquals(parse("--", key)[0], [key]);
  }
  for (const key of ["-k", "--json", "--", "--dir"]) {
    const [operands, , dir, json] = parse("--", key);
    assertEquals([operands, dir, json], [[key], undefined, false]);
  }
});

Deno.test("parseCommandArgs() keeps values of flags as text", () => {
  assertEquals(parse("k", "--dir", "007")[2], "007");
  assertEquals(parse("k", "--dir=a=b")[2], "a=b");
  assertEquals(parse("k", "--dir=--json")[2], "--json");
  assertEquals(parse("k", "--dir=a\nb")[2], "a\nb");
  // So that whoever reads the value says what is wrong with the number
  assertEquals(parse("k", "--dir", "-1")[2], "-1");
  assertEquals(parse("k", "--dir", "-")[2], "-");
});

Deno.test("parseCommandArgs() refuses what it does not know", () => {
  for (
    const [args, message] of [
      [[], "KEY is missing"],
      [["a", "b"], 'Unexpected operand "b"'],
      [["k", "--frob"], 'Unknown option "--frob"'],
      [["k", "--frob=1"], 'Unknown option "--frob=1"'],
      [["k", "--no-json"], 'Unknown option "--no-json"'],
      [["k", "--no-json=1"], 'Unknown option "--no-json=1"'],
      [["k", "--no-dir=a"], 'Unknown option "--no-dir=a"'],
      [["k", "--_=a"], 'Unknown option "--_=a"'],
      [["k", "-_"], 'Unknown option "-_"'],
      [["k", "--dir.a", "1"], 'Unknown option "--dir.a"'],
      [["k", "--__proto__", "1"], 'Unknown option "--__proto__"'],
      [["k", "-j"], 'Unknown option "-j"'],
      [["-5"], 'Unknown option "-5"; put -- before an operand'],
      [["k", "--dir"], "--dir needs a value"],
      [["k", "--dir="], "--dir needs a value"],
      [["k", "--dir", "--json"], "--dir needs a value"],
      [["k", "--dir", "a", "--dir", "b"], "--dir is given twice"],
      [["k", "--dir=a", "--dir", "b"], "--dir is given twice"],
      [["k", "--json", "--json"], "--json is given twice"],
      [["k", "--json=0"], '--json takes no value, found "0"'],
      [["k", "--json="], '--json takes no value, found ""'],
      [["k", "--json=true"], '--json takes no value, found "true"'],
      [["k", "--dri", "a"], 'Unknown option "--dri"; did you mean "--dir"?'],
      [["k", "--adr=a"], 'Unknown option "--adr=a"; did you mean "--addr"?'],
      [["k", "-json"], 'Unknown option "-json"; did you mean "--json"?'],
      [["k", "--hlep"], 'Unknown option "--hlep"; did you mean "--help"?'],
      [["k", "--=a"], 'Unknown option "--=a"'],
      [
        ["k", "--dir", "-a"],
        "--dir needs a value; one that begins with - is written --dir=-a",
      ],
    ] as const
  ) {
    assertThrows(() => parse(...args), UsageError, message, args.join(" "));
  }
});

Deno.test("parseCommandArgs() takes an empty value where a flag may have one", () => {
  const flags = { ...FLAGS, mayBeEmpty: ["dir"] };
  for (const args of [["--dir="], ["--dir", ""]]) {
    assertEquals(parseCommandArgs(args, flags, []).value("dir"), "");
  }
  assertThrows(
    () => parseCommandArgs(["--dir"], flags, []),
    UsageError,
    "--dir needs a value",
  );
  assertThrows(
    () => parseCommandArgs(["--addr="], flags, []),
    UsageError,
    "--addr needs a value",
  );
});

Deno.test("hasFlag() looks before -- only", () => {
  assert(hasFlag(["a", "-h"], "-h", "--help"));
  assert(!hasFlag(["a", "--", "-h"], "-h", "--help"));
  assert(!hasFlag(["a", "--help=1"], "-h", "--help"));
});

Deno.test("parseCommandArgs() takes operands that may be missing, and several", () => {
  const operandsOf = (args: string[], names: string[]) =>
    parseCommandArgs(args, FLAGS, names).operands;
  assertEquals(operandsOf([], ["[FILE]"]), []);
  assertEquals(operandsOf(["f"], ["[FILE]"]), ["f"]);
  assertEquals(operandsOf(["k"], ["KEY", "[VALUE]"]), ["k"]);
  assertEquals(operandsOf(["a", "b", "c"], ["KEY…"]), ["a", "b", "c"]);
  const cases: [args: string[], names: string[], message: string][] = [
    [[], ["KEY…"], "KEY is missing"],
    [[], ["KEY", "[VALUE]"], "KEY is missing"],
    [["a", "b"], ["[FILE]"], 'Unexpected operand "b"'],
  ];
  for (const [args, names, message] of cases) {
    assertThrows(() => operandsOf(args, names), UsageError, message);
  }
});
