import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Deque, dequeWords, NOTHING } from "../../pool/deque.ts";
import type { ThiefReport, ThiefTask } from "./_thief_worker.ts";

function makeDeque(capacity: number, startAt = 0): Deque {
  const words = new Int32Array(
    new SharedArrayBuffer(dequeWords(capacity) * 4),
  );
  words[0] = words[1] = startAt;
  return new Deque(words, 0, capacity);
}

Deno.test("Deque.pop() takes the newest item and Deque.steal() the oldest", () => {
  const deque = makeDeque(4);
  deque.push(1);
  deque.push(2);
  deque.push(3);
  assertEquals(deque.length, 3);
  assertEquals(deque.steal(), 1);
  assertEquals(deque.pop(), 3);
  assertEquals(deque.pop(), 2);
  assertEquals(deque.pop(), NOTHING);
  assertEquals(deque.steal(), NOTHING);
  assertEquals(deque.length, 0);
});

Deno.test("Deque.push() refuses an item more than the capacity", () => {
  const deque = makeDeque(2);
  deque.push(1);
  deque.push(2);
  assertThrows(() => deque.push(3), Error, "Deque is full with 2 items");
  assertEquals(deque.steal(), 1);
  deque.push(3);
  assertEquals([deque.steal(), deque.steal()], [2, 3]);
});

Deno.test("Deque takes a power of two as its capacity", () => {
  assertThrows(() => makeDeque(3), RangeError, "found 3");
  assertThrows(() => makeDeque(0), RangeError, "found 0");
});

Deno.test("Deque behaves like an array, also where its indices wrap", () => {
  const operation = fc.constantFrom("push", "pop", "steal");
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 200 }),
      fc.constantFrom(0, 2 ** 31 - 5, -3),
      (operations, startAt) => {
        const deque = makeDeque(8, startAt);
        const model: number[] = [];
        operations.forEach((name, i) => {
          if (name === "push" && model.length < 8) {
            deque.push(i);
            model.push(i);
          } else if (name === "pop") {
            assertEquals(deque.pop(), model.pop() ?? NOTHING);
          } else if (name === "steal") {
            assertEquals(deque.steal(), model.shift() ?? NOTHING);
          }
          assertEquals(deque.length, model.length);
        });
      },
    ),
  );
});

Deno.test("Deque gives each item to exactly one thread", async () => {
  const items = 50_000;
  const capacity = 64;
  const buffer = new SharedArrayBuffer((dequeWords(capacity) + 1) * 4);
  const words = new Int32Array(buffer);
  const done = dequeWords(capacity);
  const thieves = Array.from(
    { length: 3 },
    () =>
      new Worker(new URL("./_thief_worker.ts", import.meta.url), {
        type: "module",
      }),
  );
  const ready = thieves.map((thief) =>
    new Promise((resolve) => thief.onmessage = resolve)
  );
  for (const thief of thieves) {
    thief.postMessage({ buffer, capacity, done } satisfies ThiefTask);
  }
  await Promise.all(ready);
  const reports = thieves.map((thief) =>
    new Promise<ThiefReport>((resolve) =>
      thief.onmessage = ({ data }) => resolve(data)
    )
  );
  const deque = new Deque(words, 0, capacity);
  const taken: number[] = [];
  for (let item = 0; item < items;) {
    // Short runs, so that owner and thieves often meet at the last item.
    for (let i = 0; i < 3 && item < items; i++) {
      if (deque.length < capacity) deque.push(item++);
    }
    const own = deque.pop();
    if (own !== NOTHING) taken.push(own);
  }
  for (let own = deque.pop(); own !== NOTHING; own = deque.pop()) {
    taken.push(own);
  }
  Atomics.store(words, done, 1);
  for (const report of await Promise.all(reports)) taken.push(...report);
  thieves.forEach((thief) => thief.terminate());
  taken.sort((a, b) => a - b);
  assertEquals(taken.length, items);
  assertEquals(taken.findIndex((item, i) => item !== i), -1);
});
