/**
 * Checks of the options that all engines have, made before a directory is made
 * or locked.
 *
 * @module
 */

import { checkChoice, checkFunction, checkObject } from "../options.ts";
import type { OnFailure, SyncMode } from "./engine.ts";

const SYNC_MODES: readonly SyncMode[] = ["always", "everysec", "no"];

/** Options of every engine. */
export interface SharedOptions {
  /**
   * When an acknowledged write is on disk.
   *
   * @default {"always"}
   */
  readonly sync?: SyncMode;
  /**
   * Told of failures that no request hears of, such as that of a compaction that
   * started by itself.
   *
   * @default one line each on standard error
   */
  readonly onFailure?: OnFailure;
}

/**
 * Checks the options that all engines have.
 *
 * @param options The options.
 * @throws {TypeError} If one is of another type than it says.
 */
export function checkSharedOptions(options: SharedOptions): void {
  checkObject("options", options);
  checkChoice("sync", options.sync, SYNC_MODES);
  checkFunction("onFailure", options.onFailure);
}
