import { raise } from "./assertion_error.ts";
import { format } from "./_format.ts";

/**
 * Asserts that a value is greater than another.
 *
 * @param actual The value.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) refuse(actual, ">", expected, msg);
}

/**
 * Asserts that a value is not less than another.
 *
 * @param actual The value.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertGreaterOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual >= expected)) refuse(actual, ">=", expected, msg);
}

/**
 * Asserts that a value is less than another.
 *
 * @param actual The value.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) refuse(actual, "<", expected, msg);
}

/**
 * Asserts that a value is not greater than another.
 *
 * @param actual The value.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertLessOrEqual<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (!(actual <= expected)) refuse(actual, "<=", expected, msg);
}

function refuse(
  actual: unknown,
  relation: string,
  expected: unknown,
  msg: string | undefined,
): never {
  raise(`Expected ${format(actual)} ${relation} ${format(expected)}`, msg);
}
