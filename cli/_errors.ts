/** What the user asked for makes no sense; the help tells what does. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * Says in one line what went wrong.
 *
 * @param error What was thrown.
 * @returns A line for a person, without a stack trace.
 */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Deno.errors.NotCapable) {
    return `${error.message.replaceAll("\n", " ")}`;
  }
  return error.message.replaceAll("\n", " ") || error.name;
}
