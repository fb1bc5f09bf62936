import { assertEquals } from "@std/assert";
import { unescapeInto } from "../../../protocol/json/bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a string without its quotation marks; undefined if it is refused. */
function unescaped(spelled: string): string | undefined {
  // What follows the string would complete any escape that it breaks off.
  const bytes = encoder.encode(`"${spelled}"000\\udc00`);
  const to = 1 + encoder.encode(spelled).length;
  const into = new Uint8Array(to - 1);
  const written = unescapeInto(bytes, 1, to, into);
  return written < 0 ? undefined : decoder.decode(into.subarray(0, written));
}

Deno.test("unescapeInto() reads every escape", () => {
  assertEquals(unescaped('\\"\\\\\\/\\b\\f\\n\\r\\t'), '"\\/\b\f\n\r\t');
  assertEquals(unescaped("a\\nb\\\\n€"), "a\nb\\n€");
  assertEquals(unescaped(""), "");
  for (let code = 0; code < 0x10000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const hex = code.toString(16).padStart(4, "0");
    const expected = `<${String.fromCharCode(code)}>`;
    assertEquals(unescaped(`<\\u${hex}>`), expected);
    assertEquals(unescaped(`<\\u${hex.toUpperCase()}>`), expected);
  }
  for (let code = 0x10000; code < 0x110000; code += 251) {
    const text = String.fromCodePoint(code);
    const units = text.split("").map((unit) =>
      `\\u${unit.charCodeAt(0).toString(16)}`
    );
    assertEquals(unescaped(units.join("")), text);
  }
});

Deno.test("unescapeInto() refuses what is no escape", () => {
  for (let code = 0; code < 0x80; code++) {
    const letter = String.fromCharCode(code);
    if ('"\\/bfnrtu'.includes(letter)) continue;
    assertEquals(unescaped(`\\${letter}`), undefined, letter);
  }
  for (
    const spelled of ["\\u", "\\u1", "\\u12", "\\u123", "\\u123g", "\\u 123"]
  ) {
    assertEquals(unescaped(spelled), undefined, spelled);
  }
});

Deno.test("unescapeInto() refuses lone surrogates", () => {
  const halves = ["\\ud800", "\\udbff", "\\udc00", "\\udfff"];
  for (const half of halves) {
    for (
      const tail of ["", "x", "\\n", "\\u0041", "\\ue000", "\\ud800"]
    ) {
      assertEquals(unescaped(half + tail), undefined, half + tail);
    }
  }
  assertEquals(unescaped("\\udc00\\ud800"), undefined);
  assertEquals(unescaped("\\ud83d\\u"), undefined);
  assertEquals(unescaped("\\ud83d\\ude00"), "😀");
});
