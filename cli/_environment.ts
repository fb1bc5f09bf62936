/**
 * Reads a variable of the environment.
 *
 * @param name Its name.
 * @returns Its value; `undefined` if it is not set, or may not be read.
 * @throws {Error} If it is no text; the message does not repeat it.
 */
export function readVariable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  if (state !== "granted") return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    throw new Error(`Environment variable ${name} is not Unicode text`);
  }
}
