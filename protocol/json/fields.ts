/**
 * The fields of one request, read with errors that name them.
 *
 * @module
 */

import { BytePool } from "./byte_pool.ts";
import { ProtocolError } from "../protocol_error.ts";

/** More of a name than this is not repeated to whoever sent it. */
const QUOTED_CHARACTERS = 64;

/** The most UTF-8 bytes that one UTF-16 unit takes. */
const MAX_BYTES_PER_UNIT = 3;

/** From here on a text gets an array of its own, of just its length. */
const LONG_CHARACTERS = 4096;

const encoder = new TextEncoder();
const pool = new BytePool();

/**
 * Reads the fields of a request one by one, and refuses what is left over.
 */
export class Fields {
  readonly #request: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read: string[] = [];

  /**
   * Takes the fields of a request.
   *
   * @param request The request's name.
   * @param value What stands under that name; an object, if all is well.
   * @throws {ProtocolError} If it is not an object.
   */
  constructor(request: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ProtocolError(
        `${request}: fields must be in an object, found ${foundIn(value)}`,
      );
    }
    this.#request = request;
    this.#values = value as Record<string, unknown>;
  }

  /**
   * Reads a field that must be there, and text.
   *
   * @param name The field's name.
   * @returns The text as UTF-8.
   * @throws {ProtocolError} If it is missing, or not text that has a UTF-8 form.
   */
  text(name: string): Uint8Array {
    const text = this.optionalText(name);
    if (text === undefined) throw this.#error(name, "is missing");
    return text;
  }

  /**
   * Reads a field that may be missing, and is text.
   *
   * @param name The field's name.
   * @returns The text as UTF-8, or `undefined` where it is missing.
   * @throws {ProtocolError} If it is not text that has a UTF-8 form.
   */
  optionalText(name: string): Uint8Array | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string") {
      throw this.#error(name, `must be a string, found ${foundIn(value)}`);
    }
    if (!value.isWellFormed()) {
      throw this.#error(
        name,
        "holds a lone surrogate, which has no UTF-8 form",
      );
    }
    if (value.length >= LONG_CHARACTERS) return encoder.encode(value);
    const room = pool.room(value.length * MAX_BYTES_PER_UNIT);
    return pool.take(encoder.encodeInto(value, room).written);
  }

  /**
   * Reads a field that may be missing, and is `true` or `false`.
   *
   * @param name The field's name.
   * @returns Its value; `false` where it is missing.
   * @throws {ProtocolError} If it is something else.
   */
  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value === "boolean") return value;
    throw this.#error(name, `must be a boolean, found ${foundIn(value)}`);
  }

  /**
   * Reads a field that may be missing, and is a whole number from 1.
   *
   * @param name The field's name.
   * @param max The greatest that it may be.
   * @returns The number, or `undefined` where it is missing.
   * @throws {ProtocolError} If it is something else.
   */
  count(name: string, max: number): number | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (typeof value !== "number") {
      throw this.#error(name, `must be a number, found ${foundIn(value)}`);
    }
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    throw this.#error(
      name,
      `must be a whole number from 1 to ${max}, found ${value}`,
    );
  }

  /**
   * Ends the reading.
   *
   * @throws {ProtocolError} If there is a field that was not read.
   */
  finish(): void {
    for (const name of Object.keys(this.#values)) {
      if (this.#read.includes(name)) continue;
      const known = this.#read.map((name) => `"${name}"`).join(", ")
        .replace(/, ("\w+")$/, " and $1");
      throw new ProtocolError(
        `${this.#request}: unknown field ${quoted(name)}; expected ${
          known || "none"
        }`,
      );
    }
  }

  /** A field's value; no value of JSON is `undefined`. */
  #take(name: string): unknown {
    this.#read.push(name);
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }

  #error(name: string, what: string): ProtocolError {
    return new ProtocolError(`${this.#request}: field "${name}" ${what}`);
  }
}

/**
 * Names the type of a JSON value for an error message.
 *
 * @param value The value.
 * @returns Its type in JSON's own words.
 */
export function foundIn(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/**
 * Quotes text from a client for an error message, cut where it is long.
 *
 * @param text The text.
 * @returns The text in quotation marks, on one line.
 */
export function quoted(text: string): string {
  return text.length <= QUOTED_CHARACTERS
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, QUOTED_CHARACTERS))}…`;
}
