import { assertEquals, assertThrows } from "@std/assert";
import { decodeAnswer } from "../../protocol/answer.ts";

Deno.test("decodeAnswer() reads answers", () => {
  assertEquals(decodeAnswer('{"Ok":null}\n'), { ok: null });
  assertEquals(decodeAnswer('{"Ok":"\\u0000é"}'), { ok: "\0é" });
  assertEquals(decodeAnswer('{"Ok":{"bytesAfter":1}}'), {
    ok: { bytesAfter: 1 },
  });
  assertEquals(decodeAnswer('{"Err":"Key not found"}'), {
    err: "Key not found",
  });
});

Deno.test("decodeAnswer() refuses what is no answer, and shows its beginning", () => {
  for (const line of ["", "null", "[]", "{}", '{"Err":1}', "HTTP/1.1 200 OK"]) {
    const error = assertThrows(() => decodeAnswer(line), SyntaxError);
    assertEquals(error.message, `Not an answer: ${JSON.stringify(line)}`);
  }
  assertThrows(
    () => decodeAnswer("x".repeat(100)),
    SyntaxError,
    `Not an answer: "${"x".repeat(64)}…"`,
  );
});
