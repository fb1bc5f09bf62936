/// <reference lib="deno.worker" />

import { SharedMutex } from "../../../engine/sync/shared_mutex.ts";

/** Words: the lock, a counter, who is inside, how often two were inside. */
export interface MutexTask {
  readonly words: Int32Array;
  readonly turns: number;
}

self.onmessage = ({ data }: MessageEvent<MutexTask>) => {
  const { words, turns } = data;
  const mutex = new SharedMutex(words, 0);
  for (let turn = 0; turn < turns; turn++) {
    mutex.lock();
    if (Atomics.add(words, 2, 1) !== 0) Atomics.add(words, 3, 1);
    // Read and written apart, so that a turn is lost where two are inside.
    words[1] = words[1] + 1;
    Atomics.sub(words, 2, 1);
    mutex.unlock();
  }
  self.postMessage("done");
};
