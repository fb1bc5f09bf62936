import { raise } from "./assertion_error.ts";
import { equal } from "./equal.ts";
import { assertEquals } from "./equals.ts";
import { format } from "./_format.ts";

/**
 * Asserts that a string includes another.
 *
 * @param actual The string.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  raise(`Expected ${format(actual)} to include ${format(expected)}`, msg);
}

/**
 * Asserts that a string matches a pattern.
 *
 * @param actual The string.
 * @param expected The pattern.
 * @param msg What to say otherwise.
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  raise(`Expected ${format(actual)} to match ${expected}`, msg);
}

/**
 * Asserts that each element of an array is deeply equal to one of another.
 *
 * @param actual The other.
 * @param expected The array.
 * @param msg What to say otherwise.
 */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T> & object,
  expected: ArrayLike<T> & object,
  msg?: string,
): void {
  const all = Array.from(actual);
  const missing = Array.from(expected).filter((element) =>
    !all.some((other) => equal(other, element))
  );
  if (missing.length === 0) return;
  raise(
    `Expected ${format(actual)} to include ${format(expected)}; missing: ${
      format(missing)
    }`,
    msg,
  );
}

/**
 * Asserts that an object has the properties of another, with values that match
 * in the same way; arrays match by their first elements. Classes may differ.
 *
 * @param actual The object.
 * @param expected The other.
 * @param msg What to say otherwise.
 */
export function assertObjectMatch(
  actual: object,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  assertEquals<unknown>(
    restrict(actual, expected, new Map()),
    restrict(expected, expected, new Map()),
    msg,
  );
}

/** The results of {@linkcode restrict} so far, by its two arguments. */
type Results = Map<unknown, Map<unknown, unknown>>;

/** What is left of a value without what another does not ask for. */
function restrict(value: unknown, by: unknown, results: Results): unknown {
  const known = results.get(value);
  if (known?.has(by)) return known.get(by);
  // Known before it is whole, for a value that contains itself
  const begin = <T>(result: T): T => {
    if (known !== undefined) known.set(by, result);
    else results.set(value, new Map([[by, result]]));
    return result;
  };
  if (Array.isArray(value) && Array.isArray(by)) {
    const some: unknown[] = begin([]);
    for (const [at, element] of value.slice(0, by.length).entries()) {
      some.push(restrict(element, by[at], results));
    }
    return some;
  }
  if (value instanceof Map && by instanceof Map) {
    const some = begin(new Map());
    for (const [key, element] of value) {
      if (by.has(key)) some.set(key, restrict(element, by.get(key), results));
    }
    return some;
  }
  if (value instanceof Set && by instanceof Set) return value.intersection(by);
  if (!isRecord(value) || !isRecord(by)) return value;
  const some: Record<PropertyKey, unknown> = begin({});
  for (const key of Reflect.ownKeys(by)) {
    if (Object.hasOwn(value, key)) {
      some[key] = restrict(value[key], by[key], results);
    }
  }
  return some;
}

/** Whether a value is an object that is looked at property by property. */
function isRecord(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null &&
    ![Array, Date, RegExp, Map, Set].some((type) => value instanceof type) &&
    !ArrayBuffer.isView(value);
}
