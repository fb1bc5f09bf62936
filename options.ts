/**
 * Checks of options, for programs that no compiler has checked. Each names the
 * option and its value.
 *
 * @module
 */

/** Throws a `TypeError` unless an option is an object. */
export function checkObject(name: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw refused(name, "an object", value);
}

/** Throws a `TypeError` unless an option is a function, or is not given. */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw refused(name, "a function", value);
}

/** Throws a `TypeError` unless an option is a boolean, or is not given. */
export function checkBoolean(name: string, value: unknown): void {
  if (value === undefined || typeof value === "boolean") return;
  throw refused(name, "a boolean", value);
}

/** Throws a `TypeError` unless an option is one of some, or is not given. */
export function checkChoice(
  name: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (value === undefined || choices.some((choice) => choice === value)) return;
  throw refused(name, `one of ${choices.join(", ")}`, value);
}

/**
 * Checks an option that is a whole number, if it is given.
 *
 * @param name The option.
 * @param value Its value.
 * @param least The least that it may be.
 * @param most The most.
 * @param unit What is counted, such as `bytes`.
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is not whole, or out of range.
 */
export function checkWhole(
  name: string,
  value: unknown,
  least: number,
  most: number,
  unit: string,
): void {
  if (value === undefined) return;
  const expected = `a whole number of ${unit} from ${least} to ${most}`;
  if (typeof value !== "number") throw refused(name, expected, value);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(
    `Option ${name} must be ${expected}, found ${value}`,
  );
}

/**
 * Makes the error for an option of the wrong type.
 *
 * @param name The option.
 * @param expected What it must be.
 * @param value What it is.
 * @returns The error.
 */
export function refused(
  name: string,
  expected: string,
  value: unknown,
): TypeError {
  return new TypeError(
    `Option ${name} must be ${expected}, found ${spelled(value)}`,
  );
}

function spelled(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null
    ? "an object"
    : String(value);
}
