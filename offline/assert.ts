/**
 * Replaces `@std/assert`, as far as the project uses it, by `node:assert`. In
 * one point it sees less: an object's state that only its class's getters show.
 *
 * @module
 */

import { AssertionError } from "node:assert";
import { inspect, isDeepStrictEqual, types } from "node:util";

/** The comparison of longer texts may take minutes, and nobody reads it. */
const MAX_DIFF_LENGTH = 20_000;

/** How much is shown of longer texts around the first difference. */
const EXCERPT_LENGTH = 400;

type ErrorClass<E> = abstract new (...args: never[]) => E;

export function assert(condition: unknown, msg?: string): asserts condition {
  if (!condition) fail("Expected a true value", msg);
}

export function assertFalse(value: unknown, msg?: string): void {
  if (value) fail("Expected a false value", msg);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) fail(explain(actual, expected), msg);
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    fail(`Expected a value other than ${inspect(expected)}`, msg);
  }
}

export function assertInstanceOf<T>(
  actual: unknown,
  expected: ErrorClass<T>,
  msg?: string,
): asserts actual is T {
  if (actual instanceof expected) return;
  fail(`Expected an instance of ${expected.name}: ${inspect(actual)}`, msg);
}

export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    fail(`Expected ${inspect(actual)} to match ${expected}`, msg);
  }
}

export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    fail(`Expected ${inspect(actual)} to include ${inspect(expected)}`, msg);
  }
}

export function assertThrows(fn: () => unknown): unknown;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  ErrorClass?: ErrorClass<unknown>,
  msgIncludes = "",
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    return checkError(error, ErrorClass, msgIncludes, msg);
  }
  fail("Expected function to throw", msg);
}

export function assertRejects(
  fn: () => PromiseLike<unknown>,
): Promise<unknown>;
export function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  ErrorClass?: ErrorClass<unknown>,
  msgIncludes = "",
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    fail(`Function throws when expected to reject: ${inspect(error)}`, msg);
  }
  if (!types.isPromise(promise)) {
    fail("Function returns no promise when expected to reject", msg);
  }
  try {
    await promise;
  } catch (error) {
    return checkError(error, ErrorClass, msgIncludes, msg);
  }
  fail("Expected function to reject", msg);
}

function checkError(
  error: unknown,
  ErrorClass: ErrorClass<unknown> | undefined,
  msgIncludes: string,
  msg?: string,
): unknown {
  if (ErrorClass === undefined) return error;
  if (!(error instanceof ErrorClass)) {
    fail(`Expected an error of ${ErrorClass.name}: ${inspect(error)}`, msg);
  }
  if (error instanceof Error && !error.message.includes(msgIncludes)) {
    const expected = inspect(msgIncludes);
    fail(`Expected ${inspect(error.message)} to include ${expected}`, msg);
  }
  return error;
}

function fail(message: string, msg?: string): never {
  throw new AssertionError({ message: msg ? `${msg}: ${message}` : message });
}

/** Unlike `node:assert`, `@std/assert` takes `-0` for `0`. */
function equal(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) ||
    isDeepStrictEqual(normalize(a, new Map()), normalize(b, new Map()));
}

/** Replaces `-0`, and gives objects without a prototype the usual one. */
function normalize(value: unknown, seen: Map<unknown, unknown>): unknown {
  if (value === 0) return 0;
  if (seen.has(value)) return seen.get(value);
  const isArray = Array.isArray(value);
  if (!isArray && !isPlain(value)) return value;
  const copy: object = isArray ? [] : {};
  seen.set(value, copy);
  for (const key of Reflect.ownKeys(value)) {
    Reflect.set(copy, key, normalize(Reflect.get(value, key), seen));
  }
  return copy;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Shows where two values differ. */
function explain(actual: unknown, expected: unknown): string {
  const [a, b] = [actual, expected].map(format);
  if (a.length + b.length < MAX_DIFF_LENGTH) {
    const operator = "deepStrictEqual";
    return new AssertionError({ actual, expected, operator }).message;
  }
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const start = Math.max(0, at - EXCERPT_LENGTH / 2);
  const [from, to] = [a, b].map((t) => t.slice(start, start + EXCERPT_LENGTH));
  return `Expected values to be equal:\n+ …${from}…\n- …${to}…`;
}

function format(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, {
    depth: Infinity,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
    sorted: true,
  });
}
