import { Buffer } from "node:buffer";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeText,
  decodeTextAt,
  TextBytes,
} from "../../../../engine/kvs/store/text_bytes.ts";
import { bytes } from "../_helpers.ts";

Deno.test("TextBytes.encode() gives the bytes of TextEncoder, one text after another", () => {
  const encoder = new TextBytes();
  const texts = fc.oneof(
    fc.string(),
    fc.array(fc.nat(0xffff))
      .map((units) => String.fromCharCode(...units).toWellFormed()),
    // About the size of the memory that is kept.
    fc.tuple(fc.constantFrom("a", "ä", "€", "𝄞"), fc.integer({ max: 5_000 }))
      .map(([text, count]) => text.repeat(Math.max(0, count))),
  );
  fc.assert(
    fc.property(texts, (text) => {
      assertEquals(encoder.encode(text), bytes(text));
    }),
  );
});

Deno.test("TextBytes.encode() uses its memory again for short text, and not for long text", () => {
  const encoder = new TextBytes();
  const short = encoder.encode("short");
  const long = encoder.encode("x".repeat(10_000));
  assertEquals(encoder.encode("again").buffer, short.buffer);
  assertEquals(short, bytes("again"));
  assertEquals(encoder.encode("ag"), bytes("ag"));
  assertEquals(long, bytes("x".repeat(10_000)));
});

Deno.test("decodeTextAt() gives the text of TextDecoder, a byte order mark and broken text included", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ unit: "grapheme", maxLength: 8 }).map(bytes),
    fc.constantFrom("\ufeff", "€", "𝄞").map(bytes),
    // The beginning of a character.
    fc.constantFrom("€", "𝄞").map((text) => bytes(text).slice(0, 2)),
  );
  fc.assert(
    fc.property(fc.array(pieces), fc.nat(8), fc.nat(8), (pieces, from, to) => {
      const all = Buffer.concat(pieces);
      const start = Math.min(from, all.length);
      const end = Math.max(start, all.length - to);
      const text = decoder.decode(all.subarray(start, end));
      assertEquals(decodeTextAt(all, start, end), text);
      assertEquals(decodeText(all.subarray(start, end)), text);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeTextAt() decodes behind the first 2 GiB of a buffer", () => {
  // Only what is touched of it takes memory.
  const buffer = Buffer.from(new ArrayBuffer(2 ** 31 + 8));
  buffer.set(bytes("0123456789ab"), 2 ** 31 - 4);
  assertEquals(decodeTextAt(buffer, 2 ** 31 - 4, 2 ** 31 - 1), "012");
  assertEquals(decodeTextAt(buffer, 2 ** 31 - 4, 2 ** 31), "0123");
  assertEquals(decodeTextAt(buffer, 2 ** 31 - 4, 2 ** 31 + 8), "0123456789ab");
  assertEquals(decodeTextAt(buffer, 2 ** 31, 2 ** 31 + 4), "4567");
});

Deno.test("TextBytes.encode() refuses a lone surrogate, in text of any length", () => {
  const room = new TextBytes();
  for (const text of ["\ud800", "a\udc00", "x".repeat(10_000) + "\ud800"]) {
    assertThrows(
      () => room.encode(text),
      TypeError,
      "Text holds a lone surrogate, which has no UTF-8 form",
    );
  }
  assertEquals(room.encode("\ud83d\ude00").length, 4);
});
