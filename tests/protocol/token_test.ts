import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  checkedToken,
  hashToken,
  isToken,
  MAX_TOKEN_BYTES,
} from "../../protocol/token.ts";

const encoder = new TextEncoder();

Deno.test("isToken() takes the token and nothing else", () => {
  const hash = hashToken("sësame");
  assertEquals(isToken(encoder.encode("sësame"), hash), true);
  for (const other of ["", "s", "sësam", "sësame ", "Sësame", "sësamé"]) {
    assertEquals(isToken(encoder.encode(other), hash), false, other);
  }
});

Deno.test("hashToken() keeps nothing of the token", () => {
  assertEquals(hashToken("a").length, 32);
  assertEquals(hashToken("a"), hashToken(encoder.encode("a")));
  assertNotEquals(hashToken("a"), hashToken("b"));
});

Deno.test("checkedToken() refuses what is none, and does not repeat it", () => {
  const longest = "x".repeat(MAX_TOKEN_BYTES);
  assertEquals(checkedToken(longest), longest);
  const cases = [
    ["", "A token must not be empty"],
    [`${longest}x`, "A token must have at most 4096 bytes, found 4097"],
    ["two\nlines", "A token must be one line of Unicode text"],
    ["lone \ud800", "A token must be one line of Unicode text"],
  ];
  for (const [token, message] of cases) {
    const error = assertThrows(() => checkedToken(token), RangeError);
    assertEquals(error.message, message);
  }
});
