import { assertEquals, assertNotEquals } from "@std/assert";
import { hashToken, isToken } from "../../protocol/token_hash.ts";

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
