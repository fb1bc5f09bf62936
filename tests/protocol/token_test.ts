import { assertEquals, assertThrows } from "@std/assert";
import { checkedToken, MAX_TOKEN_BYTES } from "../../protocol/token.ts";

Deno.test("checkedToken() refuses what is none, and does not repeat it", () => {
  const longest = "x".repeat(MAX_TOKEN_BYTES);
  assertEquals(checkedToken(longest), longest);
  const cases = [
    ["", "A token must not be empty"],
    [`${longest}x`, "A token must have at most 4096 bytes, found 4097"],
    ["two\nlines", "A token must be one line of Unicode text"],
    ["lone \ud800", "A token must be one line of Unicode text"],
    ["\ufffdx", "A token must not hold U+FFFD, a replaced character"],
  ];
  for (const [token, message] of cases) {
    const error = assertThrows(() => checkedToken(token), RangeError);
    assertEquals(error.message, message);
  }
});
