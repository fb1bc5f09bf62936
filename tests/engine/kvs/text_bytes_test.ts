import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { TextBytes } from "../../../engine/kvs/text_bytes.ts";
import { bytes } from "./_helpers.ts";

Deno.test("TextBytes.encode() gives the bytes of TextEncoder, one text after another", () => {
  const encoder = new TextBytes();
  const texts = fc.oneof(
    fc.string(),
    // Lone surrogates among them.
    fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
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
  assertEquals(long, bytes("x".repeat(10_000)));
});
