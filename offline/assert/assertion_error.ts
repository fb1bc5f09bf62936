/** An assertion that does not hold. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/**
 * Ends an assertion.
 *
 * @param message What does not hold.
 * @param note What the caller of the assertion says to it.
 * @throws {AssertionError} Always.
 */
export function raise(message: string, note?: string): never {
  throw new AssertionError(note ? `${message}: ${note}` : message);
}
