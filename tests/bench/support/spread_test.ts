import { assertEquals, assertThrows } from "@std/assert";
import { spreadOf } from "../../../bench/support/spread.ts";

Deno.test("spreadOf() finds the middle of an odd and an even number", () => {
  assertEquals(spreadOf([30, 1, 2]), { median: 2, min: 1, max: 30 });
  assertEquals(spreadOf([4, 1, 2, 30]), { median: 3, min: 1, max: 30 });
  assertEquals(spreadOf([7]), { median: 7, min: 7, max: 7 });
});

Deno.test("spreadOf() of nothing is an error", () => {
  assertThrows(() => spreadOf([]), RangeError, "No values to sum up");
});
