import { assert, assertEquals } from "@std/assert";
import { cpuMs } from "../../_cpu_time.ts";
import { AnswerBuffer } from "../../../protocol/json/answer_buffer.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function textOf(answers: AnswerBuffer): string {
  return decoder.decode(answers.bytes());
}

Deno.test("AnswerBuffer writes each kind of answer on one line", () => {
  const answers = new AnswerBuffer();
  answers.ok();
  answers.value(encoder.encode("v"));
  answers.value(new Uint8Array());
  answers.err('Unknown request "X"\n');
  answers.json({ bytesBefore: 2, bytesAfter: 1 });
  const expected = '{"Ok":null}\n{"Ok":"v"}\n{"Ok":""}\n' +
    '{"Err":"Unknown request \\"X\\"\\n"}\n' +
    '{"Ok":{"bytesBefore":2,"bytesAfter":1}}\n';
  assertEquals(textOf(answers), expected);
  assertEquals(answers.length, expected.length);
});

Deno.test("AnswerBuffer.value() spells every character so that JSON reads it back", () => {
  const all = String.fromCharCode(...Array(0x800).keys()) + "€\u2028😀\uffff";
  const answers = new AnswerBuffer();
  for (const text of all) {
    // Alone, and where the long way takes over from the short one.
    for (const value of [text, `${"x".repeat(300)}${text}yz`]) {
      answers.clear();
      answers.value(encoder.encode(value));
      const line = textOf(answers);
      assertEquals(line, `{"Ok":${JSON.stringify(value)}}\n`);
    }
  }
  answers.clear();
  answers.value(encoder.encode(all));
  assertEquals(JSON.parse(textOf(answers)), { Ok: all });
});

Deno.test("AnswerBuffer.value() grows for values of any length", () => {
  const answers = new AnswerBuffer();
  for (const unit of ["v", "é", "\0", 'v"']) {
    for (const length of [1, 199, 200, 16_380, 16_384, 1_000_000]) {
      answers.clear();
      answers.ok();
      answers.value(encoder.encode(unit.repeat(length)));
      answers.ok();
      const [before, line, after] = textOf(answers).split("\n");
      assertEquals(before, '{"Ok":null}');
      assert(JSON.parse(line).Ok === unit.repeat(length));
      assertEquals(after, '{"Ok":null}');
    }
  }
});

Deno.test("AnswerBuffer.value() reads a view of a larger array", () => {
  const answers = new AnswerBuffer();
  const bytes = encoder.encode(`"${"v".repeat(500)}"`);
  answers.value(bytes.subarray(1, 501));
  assertEquals(textOf(answers), `{"Ok":"${"v".repeat(500)}"}\n`);
});

Deno.test("AnswerBuffer.value() answers what is no text with an error", () => {
  const answers = new AnswerBuffer();
  answers.ok();
  for (const head of ["", '"', "x".repeat(300)]) {
    answers.value(Uint8Array.of(...encoder.encode(head), 0xc3));
  }
  assertEquals(
    textOf(answers),
    '{"Ok":null}\n' + '{"Err":"Value is not UTF-8 text"}\n'.repeat(3),
  );
});

Deno.test("AnswerBuffer.clear() keeps the array, but not a huge one", () => {
  const answers = new AnswerBuffer();
  answers.ok();
  const { buffer } = answers.bytes();
  answers.clear();
  assertEquals(answers.length, 0);
  assert(answers.bytes().buffer === buffer);
  answers.value(new Uint8Array(8 * 1024 * 1024).fill(0x20));
  answers.clear();
  assert(answers.bytes().buffer.byteLength < 1024 * 1024);
});

Deno.test("AnswerBuffer.err() takes any message, however long", () => {
  const answers = new AnswerBuffer();
  for (
    const message of ["", "\ud800", "€".repeat(100_000), "\0".repeat(9_999)]
  ) {
    answers.clear();
    answers.err(message);
    answers.ok();
    const [line, after] = textOf(answers).split("\n");
    assertEquals(JSON.parse(line), { Err: message });
    assertEquals(after, '{"Ok":null}');
  }
});

Deno.test("AnswerBuffer.replaceOks() takes back answers of the given runs only", () => {
  const answers = new AnswerBuffer();
  answers.ok();
  const firstStart = answers.length;
  answers.ok();
  answers.err("Key not found");
  answers.ok();
  const firstEnd = answers.length;
  answers.value(encoder.encode("v"));
  answers.ok();
  const secondStart = answers.length;
  answers.ok();
  const secondEnd = answers.length;
  answers.value(encoder.encode("w"));
  answers.replaceOks(
    [firstStart, firstEnd, secondStart, secondEnd],
    'Disk "x" is full',
  );
  assertEquals(
    textOf(answers).trimEnd().split("\n").map((l) => JSON.parse(l)),
    [
      { Ok: null },
      { Err: 'Disk "x" is full' },
      { Err: "Key not found" },
      { Err: 'Disk "x" is full' },
      { Ok: "v" },
      { Ok: null },
      { Err: 'Disk "x" is full' },
      { Ok: "w" },
    ],
  );
});

Deno.test("AnswerBuffer.replaceOks() is linear in the answers", () => {
  const answers = new AnswerBuffer();
  const runs: number[] = [];
  for (let i = 0; i < 50_000; i++) {
    runs.push(answers.length);
    answers.ok();
    runs.push(answers.length);
    answers.value(encoder.encode("v"));
  }
  const startMs = cpuMs();
  answers.replaceOks(runs, "Disk is full");
  assert(cpuMs() - startMs < 5_000);
  const lines = textOf(answers).trimEnd().split("\n");
  assertEquals(lines.length, 100_000);
  assert(
    lines.every((line, i) =>
      line === (i % 2 === 0 ? '{"Err":"Disk is full"}' : '{"Ok":"v"}')
    ),
  );
});

Deno.test("AnswerBuffer.page() writes entries with and without values", () => {
  const answers = new AnswerBuffer();
  const entries = ["a", 'q"\n', "ü\u2028", "x".repeat(300)].map((text) => ({
    key: encoder.encode(text),
    value: encoder.encode(`${text}!`),
  }));
  answers.page({ entries, more: true });
  answers.page({ entries: [], more: false });
  answers.page({
    entries: [{ key: encoder.encode("k"), value: undefined }],
    more: false,
  });
  const [first, ...others] = textOf(answers).split("\n");
  assertEquals(JSON.parse(first), {
    Ok: {
      entries: ["a", 'q"\n', "ü\u2028", "x".repeat(300)]
        .map((text) => [text, `${text}!`]),
      more: true,
    },
  });
  assertEquals(others, [
    '{"Ok":{"entries":[],"more":false}}',
    '{"Ok":{"entries":[["k"]],"more":false}}',
    "",
  ]);
});

Deno.test("AnswerBuffer.page() answers with an error where a key or value is no text", () => {
  const text = encoder.encode("t");
  for (const odd of [Uint8Array.of(0xff), Uint8Array.of(0x22, 0xc3)]) {
    for (
      const entry of [{ key: odd, value: text }, { key: text, value: odd }]
    ) {
      const answers = new AnswerBuffer();
      answers.ok();
      answers.page({
        entries: [{ key: text, value: text }, entry],
        more: true,
      });
      answers.ok();
      assertEquals(
        textOf(answers),
        '{"Ok":null}\n{"Err":"A key or value is not UTF-8 text"}\n{"Ok":null}\n',
      );
    }
  }
});
