/**
 * A set of Workers that begin, fail, die or refuse to stop as they are told.
 *
 * @module
 */

import { type WorkersDown, WorkerSet } from "../../pool/worker_set.ts";
import type { Mood } from "./_moody_worker.ts";

/** A set whose Workers behave as told by number and birth, and its log. */
export function makeMoodySet(
  moodOf: (number: number, birth: number) => Mood["mood"],
) {
  const log: string[] = [];
  const deaths: number[] = [];
  const births: number[] = [];
  const states: WorkersDown[] = [];
  const heard: Int32Array[] = [];
  const set = new WorkerSet<Mood>({
    url: new URL("./_moody_worker.ts", import.meta.url),
    name: "moody",
    taskOf: (number) => {
      const birth = births[number] ?? 0;
      births[number] = birth + 1;
      heard[number] = new Int32Array(new SharedArrayBuffer(4));
      return { number, mood: moodOf(number, birth), heard: heard[number] };
    },
    onDeath: (number) => deaths.push(number),
    onDown: (down) => states.push(down),
    firstWaitMs: 1,
    log: (_level, message) => {
      log.push(message);
      const number = /^(\d+) dying$/.exec(message)?.[1];
      if (number === undefined) return;
      Atomics.store(heard[Number(number)], 0, 1);
      Atomics.notify(heard[Number(number)], 0);
    },
  });
  return {
    set,
    log,
    deaths,
    births,
    states,
    stop: () => stopMoodySet(set, 5_000),
  };
}

/** Asks the Workers of a set to stop, and waits so many milliseconds for it. */
export function stopMoodySet(
  set: WorkerSet<Mood>,
  timeoutMs: number,
): Promise<void> {
  return set.stop((worker) => worker.postMessage("stop"), timeoutMs);
}
