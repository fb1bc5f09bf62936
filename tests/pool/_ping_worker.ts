/**
 * A Worker that takes tokens, and sleeps while there are none.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { EventCount } from "../../engine/sync/event_count.ts";
import { DONE, OFFERED, TAKEN, TOKENS } from "./_ping.ts";

self.onmessage = ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const words = new Int32Array(data);
  const offered = new EventCount(words, OFFERED);
  const taken = new EventCount(words, TAKEN);
  self.postMessage("ready");
  for (;;) {
    const count = offered.current;
    const tokens = Atomics.load(words, TOKENS);
    if (tokens < 0) break;
    if (tokens === 0) offered.sleep(count, Infinity);
    else if (
      Atomics.compareExchange(words, TOKENS, tokens, tokens - 1) === tokens
    ) {
      Atomics.add(words, DONE, 1);
      taken.announce();
    }
  }
  self.postMessage("done");
  self.close();
};
