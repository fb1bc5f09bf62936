/// <reference lib="deno.worker" />

import { Deque, NOTHING } from "../../pool/deque.ts";

export interface ThiefTask {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  /** The word that says that nothing more is pushed. */
  readonly done: number;
}

/** The items that one thief got. */
export type ThiefReport = number[];

self.onmessage = ({ data }: MessageEvent<ThiefTask>) => {
  const words = new Int32Array(data.buffer);
  const deque = new Deque(words, 0, data.capacity);
  const taken: ThiefReport = [];
  self.postMessage("ready");
  for (;;) {
    const last = Atomics.load(words, data.done) === 1;
    const item = deque.steal();
    if (item !== NOTHING) taken.push(item);
    else if (last) break;
  }
  self.postMessage(taken);
  self.close();
};
