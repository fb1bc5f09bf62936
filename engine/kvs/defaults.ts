/**
 * What is done where options say nothing.
 *
 * @module
 */

import { type Damage, describeDamage } from "./segment.ts";

/**
 * The memory that an index may use.
 *
 * @returns A quarter of the machine's memory, 64 MiB to 16 GiB, in bytes.
 */
export function defaultIndexBytes(): number {
  const quarter = Math.floor(Deno.systemMemoryInfo().total / 4);
  return Math.min(2 ** 34, Math.max(2 ** 26, quarter));
}

/** Reports damage on standard error. */
export function reportDamage(damage: Damage): void {
  console.error(describeDamage(damage));
}
