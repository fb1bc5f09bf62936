import { AssertionError, raise } from "./assertion_error.ts";
import { equal } from "./equal.ts";
import { format, formatDiff } from "./_format.ts";

/**
 * Asserts that two values are deeply equal.
 *
 * @param actual What is.
 * @param expected What should be.
 * @param msg What to say otherwise.
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const diff = formatDiff(actual, expected);
  throw new AssertionError(withDetails("Values are not equal", msg, diff));
}

/**
 * Asserts that two values are not deeply equal.
 *
 * @param actual What is.
 * @param expected What should not be.
 * @param msg What to say otherwise.
 */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  raise(`Expected a value other than ${format(expected)}`, msg);
}

/**
 * Asserts that two values are the same by `Object.is`.
 *
 * @param actual What is.
 * @param expected What should be.
 * @param msg What to say otherwise.
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  const text = format(actual);
  throw new AssertionError(
    text === format(expected)
      ? withDetails("Values look the same but are not", msg, `\n\n${text}\n`)
      : withDetails(
        "Values are not strictly equal",
        msg,
        formatDiff(actual, expected),
      ),
  );
}

/** Adds what the caller says, and the details, to what does not hold. */
function withDetails(
  message: string,
  msg: string | undefined,
  details: string,
): string {
  return `${message}${msg ? `: ${msg}` : ""}${details}`;
}
