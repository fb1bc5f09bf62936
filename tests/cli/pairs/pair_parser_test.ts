import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type LineFormat, PairParser } from "../../../cli/pairs/pair_parser.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Parses text given in pieces of whole lines. */
function parse(pieces: (string | Uint8Array)[], format?: LineFormat) {
  const parser = new PairParser(format);
  const pairs: string[][] = [];
  for (const piece of pieces) {
    const bytes = typeof piece === "string" ? encoder.encode(piece) : piece;
    // A view in the middle of an array, as a block of a file is.
    const surrounded = new Uint8Array(bytes.length + 14).fill(0x22);
    surrounded.set(bytes, 7);
    for (
      const { key, value } of parser.parse(
        surrounded.subarray(7, 7 + bytes.length),
      )
    ) pairs.push([decoder.decode(key), decoder.decode(value)]);
    if (parser.error) break;
  }
  return { pairs, error: parser.error?.message, lines: parser.lines };
}

Deno.test("PairParser.parse() reads JSON lines however they are spelled", () => {
  const { pairs, error, lines } = parse([
    '{"key":"a","value":"1"}\n{"key": "b", "value": "2"}\n\n',
    ' { "value" : "3", "key" : "c" }\r\n{"key":"d","value":"4"}\r\n\r\n',
    '{"key":"\\u0065\\n","value":"\\"5\\""}\n{"key":"","value":""}\n',
    '{"key":"ü","value":"\ufeff漢字 🦕\t"}\n',
  ]);
  // A tab may not stand in a JSON string as it is.
  assertEquals(error?.startsWith("Line 9: malformed JSON: "), true);
  assertEquals(pairs, [
    ["a", "1"],
    ["b", "2"],
    ["c", "3"],
    ["d", "4"],
    ["e\n", '"5"'],
    ["", ""],
  ]);
  assertEquals(lines, 9);
});

Deno.test("PairParser.parse() reads lines of key, tab and value as they are", () => {
  const text = 'a\t1\nb\t2\t3\n\n\t\n"c" \t{"key":"x"}\nü\t漢\r\nlast\t';
  assertEquals(parse([text]), {
    pairs: [
      ["a", "1"],
      ["b", "2\t3"],
      ["", ""],
      ['"c" ', '{"key":"x"}'],
      ["ü", "漢"],
      ["last", ""],
    ],
    error: undefined,
    lines: 7,
  });
});

Deno.test("PairParser takes the format of the first line, unless it is told", () => {
  const braces = "{\t1\n";
  assertEquals(parse([braces], "tab").pairs, [["{", "1"]]);
  assertEquals(
    parse([braces]).error?.startsWith("Line 1: malformed JSON"),
    true,
  );
  assertEquals(
    parse(["a\t1\n"], "json").error?.startsWith("Line 1: malformed JSON"),
    true,
  );
  // Not by a later line.
  assertEquals(parse(["a\t1\n", "{\t2\n"]).pairs, [["a", "1"], ["{", "2"]]);
});

Deno.test("PairParser names the first line that is no pair, and what is wrong", () => {
  const expected = 'expected {"key":"…","value":"…"}';
  const cases: [text: string | Uint8Array, reason: string][] = [
    ['{"key":"a"}', expected],
    ['{"key":"a","value":1}', expected],
    ['{"key":null,"value":"v"}', expected],
    ['{"key":"a","value":"v","ttl":1}', expected],
    ["[]", expected],
    ["null", expected],
    [
      '{"key":"\\ud800","value":"v"}',
      "it holds a lone surrogate, which has no UTF-8 form",
    ],
    [
      Uint8Array.from([...encoder.encode('{"key":"'), 0xff, 0x22, 0x7d]),
      "it is not UTF-8 text",
    ],
  ];
  for (const [text, reason] of cases) {
    const good = '{"key":"k","value":"v"}\n';
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    const piece = Uint8Array.from([
      ...encoder.encode(good),
      ...bytes,
      ...encoder.encode(`\n${good}`),
    ]);
    assertEquals(parse([good, piece]), {
      pairs: [["k", "v"], ["k", "v"]],
      error: `Line 3: ${reason}`,
      lines: 3,
    });
  }
  assertEquals(
    parse(["a\t1\nb 2\nc\t3\n"]).error,
    "Line 2: expected a key, a tab and a value, found no tab",
  );
});

Deno.test("PairParser.parse() reads back whatever JSON.stringify() spells", () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  fc.assert(fc.property(fc.array(fc.tuple(text, text)), (pairs) => {
    const lines = pairs.map(([key, value]) =>
      `${JSON.stringify({ key, value })}\n`
    );
    assertEquals(parse([lines.join("")], "json").pairs, pairs);
  }));
});

Deno.test("PairParser takes lines that end in CR LF, and a byte order mark before JSON", () => {
  const pairsOf = (text: string) => {
    const parser = new PairParser();
    const pairs = Array.from(
      parser.parse(new TextEncoder().encode(text)),
      ({ key, value }) =>
        [key, value].map((bytes) => {
          const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
          return decoder.decode(bytes);
        }),
    );
    assertEquals(parser.error, undefined);
    return pairs;
  };
  assertEquals(pairsOf("a\t1\r\nb\t2\r\n\r\nc\t3\r"), [
    ["a", "1"],
    ["b", "2"],
    ["c", "3"],
  ]);
  // Only one of them is the line's end.
  assertEquals(pairsOf("a\t1\r\r\n"), [["a", "1\r"]]);
  assertEquals(pairsOf("a\t\r\n"), [["a", ""]]);
  const json = '{"key":"a","value":"1\\r"}\r\n{"key":"b","value":"2"}\r\n';
  for (const text of [json, `\ufeff${json}`]) {
    assertEquals(pairsOf(text), [["a", "1\r"], ["b", "2"]]);
  }
  // In a key it stays what it is.
  assertEquals(pairsOf("\ufeffa\t1\n"), [["\ufeffa", "1"]]);
});
