/** What the user asked for makes no sense; the help tells what does. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** How a server begins that wants to be shown a token first. */
const AUTH_REQUIRED = "Authentication required:";

/**
 * Says in one line what went wrong.
 *
 * @param error What was thrown.
 * @returns A line for a person, without a stack trace.
 */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [refused, after] = error.message.split(AUTH_REQUIRED);
  if (after !== undefined) {
    return `${refused}${AUTH_REQUIRED} show the server's token with --auth-file FILE or KVS_TOKEN`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `${error.message.replaceAll("\n", " ")}`;
  }
  return error.message.replaceAll("\n", " ") || error.name;
}
