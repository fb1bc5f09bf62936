/**
 * Monitors for tests that do not look at them.
 *
 * @module
 */

import { Monitor, shareMonitor } from "../monitor/monitor.ts";

/** A monitor of a thread that is alone. */
export function aloneMonitor(): Monitor {
  return new Monitor(shareMonitor("reuse-port", 1), 0);
}
