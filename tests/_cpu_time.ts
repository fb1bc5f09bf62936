/**
 * What a computation costs, whatever else the machine does.
 *
 * @module
 */

import process from "node:process";

/** How long this thread has been computing, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}
