/**
 * What is done where options say nothing.
 *
 * @module
 */

import { report } from "../../report.ts";
import { memoryLimit } from "../index/memory_limit.ts";
import { type Damage, describeDamage } from "../log/segment.ts";

/**
 * The memory that an index may use.
 *
 * @returns A quarter of the memory that this process may have, 64 MiB to 16
 * GiB, in bytes.
 */
export function defaultIndexBytes(): number {
  const quarter = Math.floor(memoryLimit() / 4);
  return Math.min(2 ** 34, Math.max(2 ** 26, quarter));
}

/** Reports damage on standard error. */
export function reportDamage(damage: Damage): void {
  report(describeDamage(damage));
}
