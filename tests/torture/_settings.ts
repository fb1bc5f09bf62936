/**
 * The sizes of the long tests, from the environment.
 *
 * @module
 */

/**
 * A whole number from an environment variable.
 *
 * @param name The variable, such as `KVS_TORTURE_ROUNDS`.
 * @param byDefault What it is where the variable is not set.
 */
export function setting(name: string, byDefault: number): number {
  const text = Deno.env.get(name);
  if (text === undefined || text === "") return byDefault;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be a whole number, found "${text}"`);
  }
  return value;
}

/**
 * The seed of a run: `KVS_TORTURE_SEED`, or a new one. It is printed, so that
 * a run that failed can be repeated as far as the machine allows.
 */
export function seed(): number {
  const value = setting(
    "KVS_TORTURE_SEED",
    Math.floor(Math.random() * 2 ** 31),
  );
  console.log(`KVS_TORTURE_SEED=${value}`);
  return value;
}
