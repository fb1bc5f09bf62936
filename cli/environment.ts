/**
 * Reads a variable of the environment.
 *
 * @param name Its name.
 * @returns Its value; `undefined` if it is not set, or may not be read.
 * @param noText Makes the error for one that is no text; unlike the runtime's
 * it should not repeat the value.
 * @throws {Error} What `noText` made.
 */
export function readVariable(
  name: string,
  noText = () => new Error(`Environment variable ${name} is not Unicode text`),
): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  if (state !== "granted") return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw noText();
  }
}
