import { AssertionError, raise } from "./assertion_error.ts";

/**
 * Asserts that a value is true or counts as true.
 *
 * @param expr The value.
 * @param msg What to say otherwise.
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is false or counts as false.
 *
 * @param expr The value.
 * @param msg What to say otherwise.
 */
export function assertFalse(
  expr: unknown,
  msg = "",
): asserts expr is false | 0 | 0n | "" | null | undefined {
  if (expr) throw new AssertionError(msg);
}

/**
 * Asserts that a value is neither `undefined` nor `null`.
 *
 * @param actual The value.
 * @param msg What to say otherwise.
 */
export function assertExists<T>(
  actual: T,
  msg?: string,
): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  raise(`Expected a value, found ${actual}`, msg);
}

/**
 * Asserts that a value is an instance of a class.
 *
 * @param actual The value.
 * @param expectedType The class.
 * @param msg What to say otherwise.
 */
export function assertInstanceOf<T>(
  actual: unknown,
  expectedType: abstract new (...args: never[]) => T,
  msg?: string,
): asserts actual is T {
  if (actual instanceof expectedType) return;
  raise(
    `Expected an instance of ${expectedType.name}, found ${kindOf(actual)}`,
    msg,
  );
}

function kindOf(value: unknown): string {
  if (value === null || typeof value !== "object") {
    return value === null ? "null" : typeof value;
  }
  return value.constructor?.name ?? "an object without a class";
}

/**
 * Fails.
 *
 * @param msg What to say.
 */
export function fail(msg?: string): never {
  raise("Failed assertion", msg);
}

/**
 * Fails where nothing should get.
 *
 * @param msg What to say.
 */
export function unreachable(msg?: string): never {
  raise("Unreachable", msg);
}
