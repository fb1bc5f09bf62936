/**
 * A Worker that behaves as it is told.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import type { WorkerMessage } from "../../pool/worker_set.ts";

/** How a Worker behaves. */
export interface Mood {
  readonly number: number;
  /** `well` until it is asked to stop, or what is wrong with it. */
  readonly mood: "well" | "failing" | "dying" | "stubborn";
  /** Its first word is no longer zero once a dying one has been heard. */
  readonly heard: Int32Array;
}

/** For how long a stubborn one goes on all the same, in milliseconds. */
const STUBBORN_MS = 300;

// Its deaths are reported by the runtime, and ought to be one line each.
Error.stackTraceLimit = 0;

let isStubborn = false;

self.onmessage = ({ data }: MessageEvent<Mood | "stop">) => {
  if (data === "stop") {
    setTimeout(() => {
      post({ kind: "stopped" });
      self.close();
    }, isStubborn ? STUBBORN_MS : 0);
    return;
  }
  isStubborn = data.mood === "stubborn";
  if (data.mood === "failing") {
    post({ kind: "failed", error: new Error(`Number ${data.number} failed`) });
    return;
  }
  post({ kind: "ready" });
  post({ kind: "log", level: "warn", message: `${data.number} ${data.mood}` });
  if (data.mood === "dying") {
    setTimeout(() => {
      // Deno 2.7 drops what a Worker has sent and nobody has heard as it dies.
      Atomics.wait(data.heard, 0, 0);
      throw new Error(`Number ${data.number} died`);
    }, 0);
  }
};

function post(message: WorkerMessage): void {
  self.postMessage(message);
}
