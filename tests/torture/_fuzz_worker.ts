/**
 * Checks a share of the random inputs.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { fuzz } from "../protocol/_fuzz.ts";

/** What a Worker is to check; see {@linkcode fuzz}. */
export interface FuzzTask {
  readonly seed: number;
  readonly first: number;
  readonly count: number;
}

self.onmessage = ({ data }: MessageEvent<FuzzTask>) => {
  try {
    fuzz(data.seed, data.first, data.count);
    self.postMessage(undefined);
  } catch (error) {
    self.postMessage(Deno.inspect(error));
  }
};
