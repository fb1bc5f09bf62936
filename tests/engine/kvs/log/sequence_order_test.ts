import { assertEquals } from "@std/assert";
import { MAX_SEQUENCE } from "../../../../engine/kvs/log/record.ts";
import { SequenceOrder } from "../../../../engine/kvs/log/sequence_order.ts";

/** The order of a file with these numbers and nothing between them. */
function orderOf(before: number, ...sequences: number[]): SequenceOrder {
  const order = new SequenceOrder(before);
  for (const sequence of sequences) order.add(sequence, 0);
  return order;
}

Deno.test("SequenceOrder.judge() believes what appends would have come to", () => {
  const order = orderOf(10, 11, 12, 13);
  // 100 bytes are one record at least, and five at most.
  for (const sequence of [15, 16, 19]) {
    assertEquals(order.judge(sequence, 100), "yes", `${sequence}`);
  }
  for (const sequence of [1, 14, 20, 2 ** 40]) {
    const judgement = order.judge(sequence, 100);
    assertEquals(judgement, "if records follow to the end", `${sequence}`);
  }
});

Deno.test("SequenceOrder.judge() knows what comes first by the segments before", () => {
  assertEquals(orderOf(10).judge(12, 30), "yes");
  assertEquals(orderOf(0).judge(2, 30), "yes");
  for (const sequence of [10, 11, 13]) {
    assertEquals(
      orderOf(10).judge(sequence, 30),
      "if records follow to the end",
    );
  }
});

Deno.test("SequenceOrder.judge() expects no order of copies", () => {
  // With a gap, from a file before, and of two sources.
  for (const order of [orderOf(0, 1, 5), orderOf(9, 4, 5), orderOf(0, 7, 3)]) {
    assertEquals(order.judge(6, 100), "if records follow to the end");
  }
});

Deno.test("SequenceOrder.judge() refuses what no store has written there", () => {
  for (const order of [orderOf(0), orderOf(0, 1, 2), orderOf(0, 7, 2, 5)]) {
    assertEquals(order.judge(0, 2 ** 30), "no");
    assertEquals(order.judge(MAX_SEQUENCE, 2 ** 30), "no");
  }
  // A number is in a file once.
  for (const order of [orderOf(0, 1, 2, 3), orderOf(0, 7, 2, 5)]) {
    assertEquals(order.judge(2, 100), "no");
  }
});

Deno.test("SequenceOrder.has() knows all numbers, in any order", () => {
  const numbers = [5, 6, 9, 2, 7, 3, 12];
  const order = new SequenceOrder(0);
  for (const [i, sequence] of numbers.entries()) {
    order.add(sequence, 0);
    for (let n = 1; n < 14; n++) {
      assertEquals(order.has(n), numbers.slice(0, i + 1).includes(n));
    }
  }
  assertEquals(order.max, 12);
});

Deno.test("SequenceOrder.boundOf() keeps a number that fits, and bounds another", () => {
  const ascending = orderOf(0, 3, 4);
  assertEquals(ascending.boundOf(5, 6), 5);
  assertEquals(ascending.boundOf(1_029, 6), 5);
  assertEquals(ascending.boundOf(4, 6), 5);
  assertEquals(ascending.boundOf(5, undefined), 5);
  assertEquals(ascending.boundOf(4, undefined), Infinity);
  assertEquals(orderOf(0).boundOf(1_025, 2), 1);
  // Between the runs of a compaction's output any number fits.
  assertEquals(orderOf(0, 7, 3).boundOf(100, 5), 100);
  assertEquals(orderOf(0, 7).boundOf(100, 3), 100);
});
