import { raise } from "./assertion_error.ts";

/** A class of errors. */
type ErrorClass<E> = abstract new (...args: never[]) => E;

/**
 * Asserts that a function throws.
 *
 * @param fn The function.
 * @param msg What to say otherwise.
 * @returns What it threw.
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error.
 *
 * @param fn The function.
 * @param ErrorClass The class that the error is an instance of.
 * @param msgIncludes What the error's message includes.
 * @param msg What to say otherwise.
 * @returns The error.
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const note = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    return checkError(error, classOrMsg, msgIncludes, note);
  }
  raise("Expected function to throw", note);
}

/**
 * Asserts that a promise is rejected.
 *
 * @param fn Returns the promise; it does not throw by itself.
 * @param msg What to say otherwise.
 * @returns What it was rejected with.
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that a promise is rejected with an error.
 *
 * @param fn Returns the promise; it does not throw by itself.
 * @param ErrorClass The class that the error is an instance of.
 * @param msgIncludes What the error's message includes.
 * @param msg What to say otherwise.
 * @returns The error.
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const note = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: unknown;
  try {
    promise = fn();
  } catch (error) {
    raise(`Function throws when expected to reject (${error})`, note);
  }
  if (!isThenable(promise)) {
    raise("Function returns no promise when expected to reject", note);
  }
  try {
    await promise;
  } catch (error) {
    return checkError(error, classOrMsg, msgIncludes, note);
  }
  raise("Expected function to reject", note);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/** Returns what was thrown, if it is as expected. */
function checkError(
  error: unknown,
  expected: ErrorClass<Error> | string | undefined,
  msgIncludes: string | undefined,
  note: string | undefined,
): unknown {
  if (expected === undefined || typeof expected === "string") return error;
  if (!(error instanceof Error)) {
    raise(`Expected an error, found ${Deno.inspect(error)}`, note);
  }
  if (!(error instanceof expected)) {
    raise(
      `Expected error to be instance of ${expected.name}, found ${error}`,
      note,
    );
  }
  if (msgIncludes !== undefined && !error.message.includes(msgIncludes)) {
    raise(
      `Expected error message to include ${JSON.stringify(msgIncludes)}, ` +
        `found ${JSON.stringify(error.message)}`,
      note,
    );
  }
  return error;
}
