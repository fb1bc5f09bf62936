/**
 * What one client may find in a store that only it writes its keys to.
 *
 * @module
 */

/** The value of a key; `undefined` where it is not there. */
export type Value = string | undefined;

/**
 * What each key may be. It is one thing as long as every write is answered; a
 * write without an answer may have been carried out or not.
 */
export class Model {
  readonly #possible = new Map<string, Set<Value>>();

  /** Notes a write that was acknowledged. */
  wrote(key: string, value: Value): void {
    this.#possible.set(key, new Set([value]));
  }

  /** Notes a write that had no answer. */
  mayHaveWritten(key: string, value: Value): void {
    this.#possible.set(key, new Set([...this.#of(key), value]));
  }

  /**
   * Checks what was found. Whatever it might have been before, it is this now.
   */
  found(key: string, value: Value): string | undefined {
    const possible = this.#of(key);
    this.wrote(key, value);
    if (possible.has(value)) return undefined;
    return `"${key}" is ${spell(value)}, but must be ${
      [...possible].map(spell).join(" or ")
    }`;
  }

  /** Checks whether a key that was there, or not, may have been so. */
  mayBeThere(key: string, isThere: boolean): boolean {
    return [...this.#of(key)].some((value) =>
      (value !== undefined) === isThere
    );
  }

  /** All keys that were ever written. */
  keys(): IterableIterator<string> {
    return this.#possible.keys();
  }

  #of(key: string): ReadonlySet<Value> {
    return this.#possible.get(key) ?? NOTHING;
  }
}

const NOTHING: ReadonlySet<Value> = new Set([undefined]);

function spell(value: Value): string {
  if (value === undefined) return "not there";
  return JSON.stringify(value.length <= 40 ? value : `${value.slice(0, 40)}…`);
}
