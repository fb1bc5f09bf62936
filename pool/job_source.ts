/**
 * Where a Worker gets its jobs from: what tells the queueing pools apart.
 *
 * @module
 */

import { Deque, dequeWords, NOTHING } from "./deque.ts";
import { SLOTS } from "./job_slots.ts";

/** The words of shared memory that the queues of a pool take. */
export function queueWords(workers: number): number {
  return (workers + 1) * dequeWords(SLOTS);
}

/** The queue that the main thread fills and all Workers take from. */
export function sharedQueue(words: Int32Array): Deque {
  return new Deque(words, 0, SLOTS);
}

/**
 * Takes everything out of the queues of a pool that has no Workers.
 *
 * @param words The pool's queues.
 * @param workers The number of Workers that it had.
 * @returns The slots.
 */
export function takeAllQueued(words: Int32Array, workers: number): number[] {
  const found: number[] = [];
  for (let i = 0; i <= workers; i++) {
    const queue = new Deque(words, i * dequeWords(SLOTS), SLOTS);
    for (let slot; (slot = queue.steal()) !== NOTHING;) found.push(slot);
  }
  return found;
}

/** Gives the next job's slot, or `NOTHING`. */
export type JobSource = () => number;

/**
 * One job, and no more.
 *
 * @param slot Its slot.
 */
export function justOne(slot: number): JobSource {
  let next = slot;
  return () => {
    const job = next;
    next = NOTHING;
    return job;
  };
}

/**
 * All Workers take from one queue, the oldest job first.
 *
 * @param words The pool's queues.
 */
export function fromSharedQueue(words: Int32Array): JobSource {
  const queue = sharedQueue(words);
  return () => queue.steal();
}

/** How many jobs a Worker takes from the shared queue at a time. */
const GRAB = 4;

/**
 * Each Worker has a deque. It works its own off first; then it takes a few
 * jobs at once from the shared queue; then it steals the oldest of another's
 * (as crossbeam's injector, worker and stealer).
 *
 * @param words The pool's queues.
 * @param worker The Worker's number, from 0.
 * @param workers The number of Workers.
 * @param onShared Called when jobs were put where others can steal them.
 */
export function fromOwnDeque(
  words: Int32Array,
  worker: number,
  workers: number,
  onShared: () => void,
): JobSource {
  const queue = sharedQueue(words);
  const deques = Array.from(
    { length: workers },
    (_, i) => new Deque(words, (i + 1) * dequeWords(SLOTS), SLOTS),
  );
  const own = deques[worker];
  return () => {
    const next = own.pop();
    if (next !== NOTHING) return next;
    const first = queue.steal();
    if (first !== NOTHING) {
      // Leaves the others their share.
      const more = Math.min(GRAB - 1, Math.floor(queue.length / workers));
      for (let i = 0; i < more; i++) {
        const job = queue.steal();
        if (job === NOTHING) break;
        own.push(job);
      }
      if (own.length > 0) onShared();
      return first;
    }
    // From the neighbour on, so that thieves do not all go to the same.
    for (let i = 1; i < workers; i++) {
      const stolen = deques[(worker + i) % workers].steal();
      if (stolen !== NOTHING) return stolen;
    }
    return NOTHING;
  };
}
