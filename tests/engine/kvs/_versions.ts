import { Random } from "./_helpers.ts";

/** The key with a number of a writer. */
export function keyOf(writer: number, n: number): string {
  return `writer ${writer} key ${n}${"-".repeat(n % 17)}`;
}

/** The value of a version of a key. */
export function valueOf(key: string, version: number): string {
  const random = new Random(version * 31 + key.length);
  return `${key}=${version};`.padEnd(40 + random.below(300), `${version % 10}`);
}

/** Checks a value and returns its version. */
export function versionOf(key: string, value: string): number {
  const version = parseInt(value.slice(key.length + 1));
  if (value !== valueOf(key, version)) {
    throw new Error(`Key ${key} has the value ${value}`);
  }
  return version;
}
