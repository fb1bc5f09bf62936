import { assert, assertEquals, assertThrows } from "@std/assert";
import { until } from "../../_deadline.ts";
import { SharedMutex } from "../../../engine/sync/shared_mutex.ts";
import { TestWorker } from "../kvs/_helpers.ts";
import type { MutexTask } from "../kvs/_mutex_worker.ts";

function sharedWords(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(16));
}

Deno.test("SharedMutex.lock() takes a free lock, and again after unlock()", () => {
  const words = sharedWords();
  const mutex = new SharedMutex(words, 1);
  for (let turn = 0; turn < 3; turn++) {
    mutex.lock();
    assert(words[1] !== 0);
    mutex.unlock();
    assertEquals([...words], [0, 0, 0, 0]);
  }
});

Deno.test("SharedMutex.lock() gives up after its time-out", () => {
  const words = sharedWords();
  const holder = new SharedMutex(words, 0);
  holder.lock();
  assertThrows(
    () => new SharedMutex(words, 0, { timeoutMs: 50 }).lock(),
    Error,
    "Cannot take the write lock: not released within 50 ms",
  );
  holder.unlock();
  new SharedMutex(words, 0, { timeoutMs: 50 }).lock();
});

Deno.test("SharedMutex.unlock() wakes a Worker that sleeps in lock()", async () => {
  const words = sharedWords();
  using worker = new TestWorker("_mutex_worker.ts");
  await worker.run({ words, turns: 1 } satisfies MutexTask);
  const mutex = new SharedMutex(words, 0);
  mutex.lock();
  const done = worker.run({ words, turns: 1 } satisfies MutexTask);
  // The word says that somebody sleeps.
  await until("the Worker to sleep", () => (Atomics.load(words, 0) & 1) === 1);
  mutex.unlock();
  await done;
  assertEquals(words[1], 2);
});

Deno.test("SharedMutex.unlock() leaves nobody asleep, however many wait", async () => {
  const words = sharedWords();
  const workers = [1, 2, 3].map(() => new TestWorker("_mutex_worker.ts"));
  const mutex = new SharedMutex(words, 0);
  mutex.lock();
  const done = workers.map((worker) =>
    worker.run({ words, turns: 2_000 } satisfies MutexTask)
  );
  mutex.unlock();
  await Promise.all(done);
  assertEquals(words[1], 6_000);
  assertEquals(words[0], 0);
  workers.forEach((worker) => worker[Symbol.dispose]());
});

Deno.test("SharedMutex.lock() takes over from a holder that has died, and says so", () => {
  const words = sharedWords();
  const alive = new Set([1, 2, 3]);
  const mutexOf = (id: number, onAbandoned = () => {}) =>
    new SharedMutex(words, 0, {
      holder: { id, isAlive: (id) => alive.has(id) },
      onAbandoned,
      timeoutMs: 1_000,
    });
  mutexOf(1).lock();
  // A holder that lives keeps it, whatever that takes.
  assertThrows(() => mutexOf(2).lock(), Error, "not released");
  alive.delete(1);
  let abandoned = 0;
  const third = mutexOf(3, () => abandoned++);
  third.lock();
  assertEquals(abandoned, 1);
  assertThrows(() => mutexOf(2).lock(), Error, "not released");
  third.unlock();
  mutexOf(2, () => abandoned++).lock();
  assertEquals(abandoned, 1);
});

Deno.test("SharedMutex lets one Worker at a time into the critical section", async () => {
  const words = sharedWords();
  const turns = 30_000;
  const workers = [1, 2, 3].map(() => new TestWorker("_mutex_worker.ts"));
  try {
    await Promise.all(
      workers.map((worker) => worker.run({ words, turns } satisfies MutexTask)),
    );
  } finally {
    workers.forEach((worker) => worker[Symbol.dispose]());
  }
  assertEquals(words[3], 0, "two Workers were inside at once");
  assertEquals(words[1], workers.length * turns);
});
