/**
 * Stands in for `@std/assert`, with the part of it that the tests use.
 *
 * @module
 */

export { AssertionError } from "./assertion_error.ts";
export {
  assertArrayIncludes,
  assertMatch,
  assertObjectMatch,
  assertStringIncludes,
} from "./contents.ts";
export { equal } from "./equal.ts";
export { assertEquals, assertNotEquals, assertStrictEquals } from "./equals.ts";
export { assertRejects, assertThrows } from "./errors.ts";
export {
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "./order.ts";
export {
  assert,
  assertExists,
  assertFalse,
  assertInstanceOf,
  fail,
  unreachable,
} from "./truth.ts";
