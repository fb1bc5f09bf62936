import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../protocol/request.ts";
import {
  decodeGeneral,
  decodeRequest,
} from "../../protocol/json/request_decoder.ts";
import { shown } from "./_feed.ts";

const encoder = new TextEncoder();

/** Decodes text that stands between other bytes. */
function decode(text: string | Uint8Array): string {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  const surrounded = Uint8Array.of(0x7b, ...bytes, 0x7d);
  return shown(decodeRequest(surrounded, 1, 1 + bytes.length));
}

/** What is wrong with a request, by both ways of decoding. */
function refusal(text: string | Uint8Array): string {
  const error = assertThrows(() => decode(text), ProtocolError);
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  const { message } = assertThrows(() => decodeGeneral(bytes), ProtocolError);
  assertEquals(error.message, message);
  return error.message;
}

Deno.test("decodeRequest() decodes each request as encoders spell it", () => {
  assertEquals(decode('{"Get":{"key":"k"}}'), "get k");
  assertEquals(decode('{"Get": {"key": "k"}}'), "get k");
  assertEquals(decode('{"Set":{"key":"k","value":"v"}}'), "set k=v");
  assertEquals(decode('{"Set": {"key": "k", "value": "v"}}'), "set k=v");
  assertEquals(decode('{"Remove":{"key":"k"}}'), "remove k");
  assertEquals(decode('{"Remove": {"key": "k"}}'), "remove k");
  assertEquals(decode('{"Compact":{}}'), "compact");
  assertEquals(decode('{"Compact": {}}'), "compact");
  assertEquals(decode('{"Snapshot":{}}'), "snapshot false");
  assertEquals(decode('{"Snapshot": {"release": true}}'), "snapshot true");
  assertEquals(decode('{"Auth":{"token":"t \\u00e9"}}'), "auth t é");
});

Deno.test("decodeRequest() decodes a scan with any of its fields", () => {
  assertEquals(
    decode('{"Scan":{}}'),
    'scan {"reverse":false,"keysOnly":false}',
  );
  assertEquals(
    decode('{"Scan":{"keys":true,"start":"a","end":"\\u0062"}}'),
    'scan {"start":"a","end":"b","reverse":false,"keysOnly":true}',
  );
  assertEquals(
    decode('{"Scan":{"prefix":"","after":"é","limit":10000,"reverse":true}}'),
    'scan {"prefix":"","after":"é","limit":10000,"reverse":true,"keysOnly":false}',
  );
});

Deno.test("decodeRequest() hands out views where nothing is escaped", () => {
  for (
    const text of [
      '{"Set":{"key":"é€😀","value":"plain"}}',
      '{"Set": {"key": "é€😀", "value": "plain"}}',
    ]
  ) {
    const bytes = encoder.encode(text);
    const request = decodeRequest(bytes, 0, bytes.length);
    assert(request.kind === "set");
    assert(request.key.buffer === bytes.buffer);
    assert(request.value.buffer === bytes.buffer);
  }
});

Deno.test("decodeRequest() decodes any spelling that JSON allows", () => {
  assertEquals(
    decode(' {"Set" :\t{ "value":"v",\r\n"key" : "k"} } '),
    "set k=v",
  );
  assertEquals(decode('{"\\u0047et":{"k\\u0065y":"k"}}'), "get k");
  assertEquals(
    decode(
      '{"Get":{"key":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uD83D\\uDE00"}}',
    ),
    'get "\\/\b\f\n\r\t\0é😀',
  );
  assertEquals(decode('{"Get":{"key":"k"}}\r'), "get k");
  assertEquals(decode('{"Get":{"key":"k"}}\r\n'), "get k");
});

Deno.test("decodeRequest() takes empty keys and values, and any character", () => {
  assertEquals(decode('{"Get":{"key":""}}'), "get ");
  assertEquals(decode('{"Set":{"key":"","value":""}}'), "set =");
  for (const text of ["\x7f", "\u2028", "\ufeff", "\uffff", "😀", "}}", ',"']) {
    const key = JSON.stringify(text);
    assertEquals(decode(`{"Get":{"key":${key}}}`), `get ${text}`);
    assertEquals(decode(`{"Get": {"key":${key}}}`), `get ${text}`);
  }
});

Deno.test("decodeRequest() takes the last of duplicate fields", () => {
  assertEquals(decode('{"Get":{"key":"a","key":"b"}}'), "get b");
  assertEquals(decode('{"Get":{"key":"a"},"Get":{"key":"b"}}'), "get b");
  assertEquals(
    decode('{"Set":{"key":"a","value":"v","key":"b"}}'),
    "set b=v",
  );
  assertEquals(
    decode('{"Set":{"key":"a","value":"v","value":"w"}}'),
    "set a=w",
  );
});

Deno.test("decodeRequest() names the field that is wrong", () => {
  const cases = [
    ['{"Get":{}}', 'Get: field "key" is missing'],
    ['{"Set":{"key":"k"}}', 'Set: field "value" is missing'],
    ['{"Set":{"value":"v"}}', 'Set: field "key" is missing'],
    ['{"Get":{"key":1}}', 'Get: field "key" must be a string, found number'],
    [
      '{"Remove":{"key":null}}',
      'Remove: field "key" must be a string, found null',
    ],
    [
      '{"Set":{"key":"k","value":["v"]}}',
      'Set: field "value" must be a string, found array',
    ],
    [
      '{"Set":{"key":"k","value":{}}}',
      'Set: field "value" must be a string, found object',
    ],
    [
      '{"Get":{"key":true}}',
      'Get: field "key" must be a string, found boolean',
    ],
    [
      '{"Get":{"key":"k","value":"v"}}',
      'Get: unknown field "value"; expected "key"',
    ],
    [
      '{"Set":{"key":"k","value":"v","ttl":1}}',
      'Set: unknown field "ttl"; expected "key" and "value"',
    ],
    ['{"Compact":{"x":1}}', 'Compact: unknown field "x"; expected none'],
    [
      '{"Snapshot":{"x":1}}',
      'Snapshot: unknown field "x"; expected "release"',
    ],
    [
      '{"Snapshot":{"release":1}}',
      'Snapshot: field "release" must be a boolean, found number',
    ],
    [
      '{"Scan":{"x":1}}',
      'Scan: unknown field "x"; expected "prefix", "start", "end", "after", "limit", "reverse" and "keys"',
    ],
    [
      '{"Scan":{"prefix":1}}',
      'Scan: field "prefix" must be a string, found number',
    ],
    [
      '{"Scan":{"start":null}}',
      'Scan: field "start" must be a string, found null',
    ],
    [
      '{"Scan":{"keys":1}}',
      'Scan: field "keys" must be a boolean, found number',
    ],
    [
      '{"Scan":{"limit":"1"}}',
      'Scan: field "limit" must be a number, found string',
    ],
    [
      '{"Scan":{"limit":0}}',
      'Scan: field "limit" must be a whole number from 1 to 10000, found 0',
    ],
    [
      '{"Scan":{"limit":10001}}',
      'Scan: field "limit" must be a whole number from 1 to 10000, found 10001',
    ],
    [
      '{"Scan":{"limit":1.5}}',
      'Scan: field "limit" must be a whole number from 1 to 10000, found 1.5',
    ],
    [
      '{"Get":{"key":"k","__proto__":1}}',
      'Get: unknown field "__proto__"; expected "key"',
    ],
    [
      '{"Get":{"__proto__":{"key":"k"}}}',
      'Get: field "key" is missing',
    ],
    ['{"Get":"k"}', "Get: fields must be in an object, found string"],
    ['{"Get":null}', "Get: fields must be in an object, found null"],
    ['{"Get":["k"]}', "Get: fields must be in an object, found array"],
  ];
  for (const [text, message] of cases) assertEquals(refusal(text), message);
});

Deno.test("decodeRequest() names what it expects for an unknown request", () => {
  for (const name of ["Foo", "get", "", "toString", "__proto__"]) {
    assertEquals(
      refusal(`{"${name}":{"key":"k"}}`),
      `Unknown request "${name}"; expected Set, Get, Remove, Scan, Snapshot, Compact, Stats or Auth`,
    );
  }
  assertEquals(
    refusal(`{"${"x".repeat(1000)}":{}}`),
    `Unknown request "${
      "x".repeat(64)
    }"…; expected Set, Get, Remove, Scan, Snapshot, Compact, Stats or Auth`,
  );
});

Deno.test("decodeRequest() refuses what is not one request in an object", () => {
  const cases = [
    [
      "{}",
      "A request must not be empty; expected Set, Get, Remove, Scan, Snapshot, Compact, Stats or Auth",
    ],
    ["[]", "A request must be an object, found array"],
    ['"Get"', "A request must be an object, found string"],
    ["null", "A request must be an object, found null"],
    ["1", "A request must be an object, found number"],
    [
      '{"Get":{"key":"a"},"Remove":{"key":"b"}}',
      'A request must stand alone, found "Get" and "Remove" in one object',
    ],
  ];
  for (const [text, message] of cases) assertEquals(refusal(text), message);
});

Deno.test("decodeRequest() says where JSON is malformed", () => {
  const cases = [
    ["hello", /^Malformed JSON: Unexpected token 'h'/],
    ['{"Get":{"key":"k"}', /^Malformed JSON: .* at position 18/],
    ['{"Get":{"key":"k"}}}', /^Malformed JSON: .* at position 19/],
    ['{"Get":{"key":"k"}}{"Get":{"key":"k"}}', /^Malformed JSON: .* 19/],
    ['{"Get":{"key":"k"}}\n{"Get":{"key":"k"}}', /^Malformed JSON: .* 20/],
    ['{"Get":{"key":"\t"}}', /^Malformed JSON: Bad control character .* 15/],
    ['{"Get":{"key":"\\x"}}', /^Malformed JSON: Bad escaped character .* 16/],
    ["{'Get':{'key':'k'}}", /^Malformed JSON: .* at position 1/],
    ['\ufeff{"Get":{"key":"k"}}', /^Malformed JSON: Unexpected token/],
    ["", /^Malformed JSON: Unexpected end/],
  ] as const;
  for (const [text, message] of cases) {
    const refused = refusal(text);
    assert(message.test(refused), refused);
  }
});

Deno.test("decodeRequest() refuses bytes that are no UTF-8", () => {
  const invalid = [
    [0x80],
    [0xc3],
    [0xc0, 0xaf],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xff],
  ];
  for (const bytes of invalid) {
    const [head, tail] = ['{"Get":{"key":"k', '"}}'];
    assertEquals(
      refusal(
        Uint8Array.of(
          ...encoder.encode(head),
          ...bytes,
          ...encoder.encode(tail),
        ),
      ),
      "A request must be UTF-8, found other bytes",
    );
  }
});

Deno.test("decodeRequest() refuses a lone surrogate", () => {
  for (const half of ["\\ud800", "\\udc00", "\\udc00\\ud800", "a\\uD83Db"]) {
    assertEquals(
      refusal(`{"Get":{"key":"${half}"}}`),
      'Get: field "key" holds a lone surrogate, which has no UTF-8 form',
    );
  }
});
