import { assertEquals } from "@std/assert";
import { NOTHING } from "../../pool/deque.ts";
import {
  fromOwnDeque,
  fromSharedQueue,
  justOne,
  queueWords,
  sharedQueue,
  takeAllQueued,
} from "../../pool/job_source.ts";

function makeQueues(workers: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(queueWords(workers) * 4));
}

Deno.test("justOne() gives one job", () => {
  const next = justOne(7);
  assertEquals([next(), next(), next()], [7, NOTHING, NOTHING]);
});

Deno.test("fromSharedQueue() gives each job to one Worker, the oldest first", () => {
  const words = makeQueues(2);
  const queue = sharedQueue(words);
  const [first, second] = [fromSharedQueue(words), fromSharedQueue(words)];
  assertEquals(first(), NOTHING);
  for (const job of [3, 1, 2]) queue.push(job);
  assertEquals([first(), second(), first()], [3, 1, 2]);
  assertEquals([first(), second()], [NOTHING, NOTHING]);
});

Deno.test("fromOwnDeque() leaves the others their share", () => {
  const words = makeQueues(2);
  const queue = sharedQueue(words);
  let announced = 0;
  const [first, second] = [0, 1].map((worker) =>
    fromOwnDeque(words, worker, 2, () => announced++)
  );
  queue.push(0);
  assertEquals([first(), announced], [0, 0]);
  for (let job = 1; job <= 5; job++) queue.push(job);
  // Of five the oldest, and two that others may steal as well.
  assertEquals([first(), announced, queue.length], [1, 1, 2]);
  assertEquals([second(), announced], [4, 1]);
  assertEquals([second(), announced], [5, 1]);
  // Its own newest job; the other steals the oldest.
  assertEquals(first(), 3);
  assertEquals(second(), 2);
  assertEquals([first(), second()], [NOTHING, NOTHING]);
});

Deno.test("fromOwnDeque() goes on with the jobs of a Worker before it", () => {
  const words = makeQueues(1);
  const queue = sharedQueue(words);
  for (let job = 0; job < 8; job++) queue.push(job);
  const taken = [fromOwnDeque(words, 0, 1, () => {})()];
  const next = fromOwnDeque(words, 0, 1, () => {});
  for (let job = next(); job !== NOTHING; job = next()) taken.push(job);
  assertEquals(taken.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("takeAllQueued() leaves nothing in any queue", () => {
  const words = makeQueues(3);
  const queue = sharedQueue(words);
  for (let job = 0; job < 12; job++) queue.push(job);
  const sources = [0, 1, 2].map((worker) =>
    fromOwnDeque(words, worker, 3, () => {})
  );
  const taken = [sources[0](), sources[2]()];
  taken.push(...takeAllQueued(words, 3));
  assertEquals(taken.toSorted((a, b) => a - b), Array.from(Array(12).keys()));
  assertEquals(sources.map((next) => next()), [NOTHING, NOTHING, NOTHING]);
});
