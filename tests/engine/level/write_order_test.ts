import { assert, assertEquals } from "@std/assert";
import { WriteOrder } from "../../../engine/level/write_order.ts";

Deno.test("WriteOrder.end() waits for the writes that have started, and no later ones", async () => {
  const one = new WriteOrder();
  const other = new WriteOrder(one.buffer);
  const ends: string[] = [];
  const [a, b, c] = [one.start(), other.start(), other.start()];
  const ended = Promise.all([
    other.end(b)!.then(() => ends.push("b")),
    other.end(c)!.then(() => ends.push("c")),
  ]);
  const later = other.start();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(ends, []);
  const last = one.end(a)?.then(() => ends.push("a"));
  await ended;
  assertEquals(ends.toSorted(), ["b", "c"]);
  assertEquals(other.end(later), undefined);
  await last;
});

Deno.test("WriteOrder.end() counts on, also past the largest number", async () => {
  const order = new WriteOrder();
  const first = 2 ** 31 - 5_000;
  new Int32Array(order.buffer).fill(first, 0, 2);
  for (let n = 0; n < 5_000; n++) {
    const [a, b] = [order.start(), order.start()];
    assertEquals(a, first + 2 * n | 0);
    const waiting = order.end(b);
    assert(waiting instanceof Promise);
    assertEquals(order.end(a), undefined);
    await waiting;
  }
});

Deno.test("WriteOrder.end() waits no longer for the write of a Worker that died", async () => {
  const order = new WriteOrder(undefined, 20);
  const [dead, alsoDead, alive] = [order.start(), order.start(), order.start()];
  await order.end(alive);
  // Should they be alive after all, nothing is waited for, or marked wrongly.
  assertEquals(order.end(alsoDead), undefined);
  assertEquals(order.end(dead), undefined);
  assertEquals(order.end(order.start()), undefined);
});
