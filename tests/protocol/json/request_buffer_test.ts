import { assert, assertEquals, assertThrows } from "@std/assert";
import { cpuMs } from "../../_cpu_time.ts";
import { RequestBuffer } from "../../../protocol/json/request_buffer.ts";
import { feed, received, takeAll } from "../_feed.ts";

const encoder = new TextEncoder();
const MIB = 1024 * 1024;

/** What is read after a first request, where errors leave the connection open. */
function receivedLater(
  text: string | Uint8Array,
  readBytes = Infinity,
): string[] {
  return received(text, readBytes, { hasBegun: true });
}

Deno.test("RequestBuffer takes one request a line, and skips blank lines", () => {
  assertEquals(
    received(
      '\n\r\n{"Get":{"key":"a"}}\r\n \t\n{"Remove":{"key":"b"}}\n\n' +
        '{"Set":{"key":"c","value":"d"}}\n{"Compact":{}}\n \n',
    ),
    ["get a", "remove b", "set c=d", "compact"],
  );
  assertEquals(received(""), []);
  assertEquals(received(" \r\n\t"), []);
});

Deno.test("RequestBuffer splits UTF-8 and everything else at every byte", () => {
  const text = '{"Set":{"key":"é€😀","value":"😀\\n\\ud83d\\ude00\\\\"}}\n' +
    '{\n  "Get": {\n    "key": "{\\"[é"\n  }\n}\r\n' +
    '{"Set":{"key":"trunc\n{"Set":{"key":"t"\n{"Get": {"key": "€"}}\n' +
    '"x\n[1,\n{"Remove":{"key":"a"}}\n}\n{"Get":{"key":"a"}}';
  const bytes = encoder.encode(text);
  const whole = received(bytes);
  assertEquals(whole.map((line) => line.split(":")[0]), [
    "set é€😀=😀\n😀\\",
    'get {"[é',
    "! Malformed JSON",
    "! Malformed JSON",
    "get €",
    "! Malformed JSON",
    "! Malformed JSON",
    "remove a",
    "! Malformed JSON",
    "get a",
  ]);
  assertEquals(received(bytes, 1), whole);
  for (let at = 1; at < bytes.length; at++) {
    const requests = new RequestBuffer();
    feed(requests, bytes.subarray(0, at));
    const taken = takeAll(requests);
    feed(requests, bytes.subarray(at));
    taken.push(...takeAll(requests));
    assertEquals(taken, whole, `split at ${at}`);
  }
});

Deno.test("RequestBuffer takes pretty-printed requests from a one-shot client", () => {
  const request = { Set: { key: 'k}"{', value: "[\n\\" } };
  for (const indent of [0, 1, 4, "\t"]) {
    const text = JSON.stringify(request, null, indent);
    for (const end of ["", "\n", "\r\n", "\n\n"]) {
      const lines = text.replaceAll("\n", end === "\r\n" ? "\r\n" : "\n");
      for (const readBytes of [Infinity, 3, 1]) {
        assertEquals(
          received(lines + end, readBytes),
          ['set k}"{=[\n\\'],
        );
      }
    }
  }
});

Deno.test("RequestBuffer takes a whole object that is all there is", () => {
  for (
    const text of [
      '{"Get":{"key":"k"}}',
      '{"Get": {"key": "k"}}',
      ' { "Get" : {"key":"k"} }',
      '{\n"Get": {"key":"k"}\n}',
    ]
  ) {
    const requests = new RequestBuffer();
    for (const byte of encoder.encode(text)) {
      assertEquals(takeAll(requests), [], text);
      feed(requests, Uint8Array.of(byte));
    }
    assertEquals(takeAll(requests), ["get k"], text);
    // The newline that comes late belongs to no other request.
    feed(requests, encoder.encode('\n{"Get":{"key":"l"}}\n'));
    assertEquals(takeAll(requests), ["get l"]);
  }
});

Deno.test("RequestBuffer waits for the rest of anything else", () => {
  for (
    const text of [
      '{"Get":{"key":"k"}',
      '{"Get":{"key":"}}',
      '{"Get":{"key":"k\\"}}',
      "hello",
      '"{}',
      "1",
      "{} x",
    ]
  ) {
    const requests = new RequestBuffer();
    requests.hasBegun = true;
    feed(requests, encoder.encode(text));
    assertEquals(takeAll(requests), [], text);
    requests.end();
    assertEquals(takeAll(requests).length, 1, text);
    assertEquals(takeAll(requests), []);
  }
});

Deno.test("RequestBuffer takes nothing for input that earlier reads left behind", () => {
  const whole = '{"Get":{"key":"a"}}\n';
  for (let cut = 1; cut < whole.length - 1; cut++) {
    const requests = new RequestBuffer();
    feed(requests, encoder.encode(whole));
    assertEquals(takeAll(requests), ["get a"]);
    feed(requests, encoder.encode(whole.slice(0, cut)));
    assertEquals(takeAll(requests), [], `cut at ${cut}`);
    requests.end();
    assertEquals(takeAll(requests).length, 1);
  }
});

Deno.test("RequestBuffer ends no request at a carriage return alone", () => {
  const [refused, ...rest] = receivedLater(
    '{"Get":{"key":"a"}}\r{"Get":{"key":"b"}}\r\n{"Get":{"key":"c"}}\r',
  );
  assert(refused.startsWith("! Malformed JSON"), refused);
  assertEquals(rest, ["get c"]);
});

Deno.test("RequestBuffer loses no more than a truncated request", () => {
  const whole = '{"Set":{"key":"k","value":"[v]"}}';
  for (let cut = 1; cut < whole.length; cut++) {
    const [refused, ...rest] = receivedLater(
      `${whole.slice(0, cut)}\n{"Get":{"key":"a"}}\n{"Get":{"key":"b"}}\n`,
    );
    assert(refused.startsWith("! Malformed JSON"), refused);
    assertEquals(rest, ["get a", "get b"], `cut at ${cut}`);
  }
});

Deno.test("RequestBuffer ends a request at a newline inside a string", () => {
  const requests = new RequestBuffer();
  requests.hasBegun = true;
  feed(requests, encoder.encode('{"Set":{"key":"k","value":"a\n'));
  const [refused] = takeAll(requests);
  assert(
    refused.startsWith("! Malformed JSON: Unterminated string"),
    refused,
  );
  feed(requests, encoder.encode('{\n"Get":{"key":"a\\\n'));
  assertEquals(takeAll(requests).length, 1);
});

/** Notes what is parsed as JSON until it is disposed of. */
class ParsedText implements Disposable {
  /** The length of the longest text. */
  longest = 0;
  readonly #parse = JSON.parse;

  constructor() {
    JSON.parse = (text, reviver) => {
      this.longest = Math.max(this.longest, text.length);
      return this.#parse(text, reviver);
    };
  }

  [Symbol.dispose](): void {
    JSON.parse = this.#parse;
  }
}

Deno.test("RequestBuffer refuses deep nesting without parsing it", () => {
  using parsed = new ParsedText();
  const startMs = cpuMs();
  for (const open of ["[", '{"a":']) {
    for (const depth of [33, 100_000]) {
      assertEquals(
        receivedLater(`${open.repeat(depth)}\n{"Get":{"key":"a"}}\n`),
        ["! Nested deeper than 32 levels", "get a"],
      );
    }
  }
  const [refused, get] = receivedLater(
    `${"[".repeat(32)}${"]".repeat(32)}\n{"Get":{"key":"a"}}\n`,
  );
  assertEquals(refused, "! A request must be an object, found array");
  assertEquals(get, "get a");
  assertEquals(
    receivedLater(new Uint8Array(64 * MIB).fill(0x5b), 64 * 1024),
    ["! Nested deeper than 32 levels"],
  );
  // The parser would take half a minute for the last one.
  assertEquals(parsed.longest < 1_000, true, `${parsed.longest} characters`);
  assert(cpuMs() - startMs < 5_000);
});

Deno.test("RequestBuffer refuses what has many members without parsing it", () => {
  const refused = "! More than 1000 commas outside of strings";
  const get = '{"Get":{"key":"a"}}\n';
  for (const item of ["{}", "[[]]", "1", '"a,b"', '{"a":1}']) {
    for (const count of [1_002, 100_000]) {
      const items = Array(count).fill(item).join();
      for (const pieceBytes of [undefined, 999]) {
        using parsed = new ParsedText();
        const text = `{"Get":{"a":[${items}]}}\n${get}`;
        assertEquals(receivedLater(text, pieceBytes), [refused, "get a"]);
        assertEquals(parsed.longest < 1_000, true, `${parsed.longest}`);
        assertEquals(received(text, pieceBytes), [refused]);
      }
    }
  }
  assertEquals(
    receivedLater(
      `{"Get":{"a":[${Array(1_001).fill("{}").join()}]}}\n` +
        `{"Get": {"key": "${",".repeat(2_000)}"}}\n`,
    ),
    ['! Get: field "key" is missing', `get ${",".repeat(2_000)}`],
  );
});

Deno.test("RequestBuffer breaks at a request beyond the limit, before it holds it", () => {
  const requests = new RequestBuffer({ maxRequestBytes: MIB });
  const chunk = new Uint8Array(64 * 1024).fill(0x61);
  feed(requests, encoder.encode('{"Get":{"key":"a"}}\n{"Get":{"key":"'));
  assertEquals(takeAll(requests), ["get a"]);
  let fedBytes = 15;
  while (!requests.isBroken) {
    assert(fedBytes <= MIB + chunk.length);
    assertEquals(takeAll(requests), []);
    feed(requests, chunk, () => {
      const taken = takeAll(requests);
      if (taken.length === 0) return;
      assert(requests.isBroken);
      assertEquals(taken.length, 1);
      assert(
        /^! Request of \d+ bytes exceeds the limit of 1048576 bytes \(--max-request-size\)$/
          .test(taken[0]),
        taken[0],
      );
    });
    fedBytes += chunk.length;
  }
  // Whatever follows is not understood, and not kept.
  for (let i = 0; i < 100; i++) {
    feed(requests, encoder.encode('\n{"Get":{"key":"a"}}\n'));
    feed(requests, chunk);
    assertEquals(takeAll(requests), []);
  }
  requests.end();
  assertEquals(takeAll(requests), []);
});

Deno.test("RequestBuffer applies the limit to a request however it is spelled", () => {
  const limits = { maxRequestBytes: 30 };
  for (const text of ['{"Get":{"key":"#"}}', '{"Get":{ "key":"#"}}']) {
    const fits = text.replace("#", "k".repeat(30 - text.length + 1));
    for (const end of ["", "\n"]) {
      const requests = new RequestBuffer(limits);
      feed(requests, encoder.encode(fits + end));
      assertEquals(takeAll(requests).length, 1);
      assertEquals(requests.isBroken, false);
      feed(requests, encoder.encode(fits.replace("kk", "kkk") + end));
      assertEquals(takeAll(requests), [
        "! Request of 31 bytes exceeds the limit of 30 bytes (--max-request-size)",
      ]);
      assertEquals(requests.isBroken, true);
    }
  }
});

Deno.test("RequestBuffer refuses keys and values beyond their limits, and goes on", () => {
  const requests = new RequestBuffer({ maxKeyBytes: 4, maxValueBytes: 6 });
  const lines = [
    { Get: { key: "éé" } },
    { Get: { key: "ééa" } },
    { Remove: { key: "\n\n\n\n\n" } },
    { Set: { key: "12345", value: "" } },
    { Set: { key: "1234", value: "123456" } },
    { Set: { key: "", value: "1234567" } },
  ];
  const text = lines.map((line) => JSON.stringify(line) + "\n").join("");
  feed(requests, encoder.encode(text));
  assertEquals(takeAll(requests), [
    "get éé",
    "! Key of 5 bytes exceeds the limit of 4 bytes (--max-key-size)",
    "! Key of 5 bytes exceeds the limit of 4 bytes (--max-key-size)",
    "! Key of 5 bytes exceeds the limit of 4 bytes (--max-key-size)",
    "set 1234=123456",
    "! Value of 7 bytes exceeds the limit of 6 bytes (--max-value-size)",
  ]);
  assertEquals(requests.isBroken, false);
});

Deno.test("RequestBuffer has the documented limits", () => {
  for (
    const [bytes, message] of [
      [65_535, undefined],
      [
        65_536,
        "! Key of 65536 bytes exceeds the limit of 65535 bytes (--max-key-size)",
      ],
    ] as const
  ) {
    const key = "k".repeat(bytes);
    assertEquals(
      received(`{"Get":{"key":"${key}"}}`),
      [message ?? `get ${key}`],
    );
  }
  const value = "v".repeat(32 * MIB + 1);
  assertEquals(
    received(`{"Set":{"key":"k","value":"${value}"}}`),
    ["! Value of 33554433 bytes exceeds the limit of 33554432 bytes (--max-value-size)"],
  );
  for (const maxRequestBytes of [-1, 0.5, NaN, 256 * MIB + 1]) {
    assertThrows(
      () => new RequestBuffer({ maxRequestBytes }),
      RangeError,
      `Cannot limit maxRequestBytes to ${maxRequestBytes}`,
    );
  }
});

Deno.test("RequestBuffer hangs up on browsers", () => {
  const requests = new RequestBuffer();
  feed(
    requests,
    encoder.encode(
      'POST / HTTP/1.1\r\nHost: localhost:4000\r\n\r\n{"Compact":{}}\n',
    ),
  );
  assertEquals(takeAll(requests), ["! This port does not speak HTTP"]);
  assertEquals(requests.isBroken, true);
});

Deno.test("RequestBuffer.takeFrames() takes the bytes of what next() would take", () => {
  const texts = [
    '{"Get":{"key":"a"}}\n{"Set":{"key":"trunc\n\n{\n"Get":{"key":"b"}\n}\r\n',
    '{"Set":{"key":"trunc"\n{"Get":{"key":"a"}}',
    '{"Get":{"key":"a"}}\n',
  ];
  const part = '{"Get":{"key":"c';
  for (const text of texts) {
    const requests = new RequestBuffer();
    requests.hasBegun = true;
    feed(requests, encoder.encode(text + (text.endsWith("\n") ? part : "")));
    assertEquals(receivedLater(requests.takeFrames()), receivedLater(text));
    assertEquals(requests.takeFrames().length, 0);
    if (!text.endsWith("\n")) continue;
    assertEquals(requests.unusedBytes, part.length);
    feed(requests, encoder.encode('"}}\n'));
    assertEquals(received(requests.takeFrames()), ["get c"]);
  }
});

Deno.test("RequestBuffer takes 64 MiB of pipelined requests in bounded time", () => {
  const line = encoder.encode(
    `{"Set":{"key":"key-0000001","value":"${"v".repeat(100)}"}}\n`,
  );
  const count = Math.ceil(64 * MIB / line.length);
  const bytes = new Uint8Array(count * line.length);
  for (let i = 0; i < count; i++) bytes.set(line, i * line.length);
  // Reads of a prime length, so that lines are cut at every place.
  for (const readBytes of [65_521, 1_021]) {
    const requests = new RequestBuffer();
    let taken = 0;
    const startMs = cpuMs();
    feed(requests, bytes, () => {
      for (let next = requests.next(); next; next = requests.next()) {
        if (next.kind === "set") taken++;
      }
    }, readBytes);
    assertEquals(taken, count);
    assert(cpuMs() - startMs < 10_000);
  }
});

Deno.test("RequestBuffer takes a huge request in linear time, however small the reads", () => {
  const padded = (mib: number, head: string, byte: number, tail: string) => {
    const bytes = new Uint8Array(mib * MIB).fill(byte);
    bytes.set(encoder.encode(head));
    bytes.set(encoder.encode(tail), bytes.length - tail.length);
    return bytes;
  };
  const cases = [
    {
      input: padded(64, '{"Set":{"key":"k","value":"', 0x76, '"}}\n'),
      readBytes: 4_099,
      expected: "! Value of 67108833 bytes exceeds the limit",
    },
    {
      input: padded(8, '{"Get":{"key":"k"}', 0x20, "}\n"),
      readBytes: 257,
      expected: "get k",
    },
    {
      input: padded(8, '{"Get":{"key":"k"}', 0x0a, "}\n"),
      readBytes: 257,
      expected: "get k",
    },
    {
      input: padded(8, "", 0x20, '{"Get":{"key":"k"}}\n'),
      readBytes: 257,
      expected: "get k",
    },
    {
      input: padded(8, "x", 0x20, "\n"),
      readBytes: 257,
      expected: "! Malformed JSON",
    },
  ];
  for (const { input, readBytes, expected } of cases) {
    const startMs = cpuMs();
    const taken = receivedLater(input, readBytes);
    const tookMs = cpuMs() - startMs;
    assertEquals(taken.length, 1);
    assert(taken[0].startsWith(expected), taken[0]);
    assert(tookMs < 10_000, `${expected} took ${tookMs} ms`);
  }
});
