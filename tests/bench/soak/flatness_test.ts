import { assert, assertEquals } from "@std/assert";
import { flatnessOf } from "../../../bench/soak/flatness.ts";

const TOLERANCE = { share: 0.1, slack: 5 };

/** A value at each of 300 times. */
function points(valueAt: (time: number) => number): [number, number][] {
  return Array.from({ length: 300 }, (_, time) => [time, valueAt(time)]);
}

Deno.test("flatnessOf() lets pass what has filled in the first third", () => {
  const filling = points((time) => Math.min(time, 100));
  const tolerance = { share: 0.5, slack: 5 };
  assertEquals(flatnessOf(filling, 300, tolerance), {
    middle: 100,
    last: 100,
    limit: 155,
    isFlat: true,
  });
});

Deno.test("flatnessOf() sees what grows all the time", () => {
  const { middle, last, isFlat } = flatnessOf(points((t) => t), 300, TOLERANCE);
  assertEquals([middle, last, isFlat], [149.5, 249.5, false]);
});

Deno.test("flatnessOf() lets pass saw teeth, what shrinks, and what is within the tolerance", () => {
  for (
    const valueAt of [
      (time: number) => 100 + time % 20,
      (time: number) => 300 - time,
      (time: number) => time < 200 ? 100 : 115,
    ]
  ) assert(flatnessOf(points(valueAt), 300, TOLERANCE).isFlat);
  const above = points((time) => time < 200 ? 100 : 115.1);
  assertEquals(flatnessOf(above, 300, TOLERANCE).isFlat, false);
});

Deno.test("flatnessOf() does not take too few values for flat", () => {
  const few = points(() => 1).filter(([time]) => time < 204);
  assertEquals(flatnessOf(few, 300, TOLERANCE).isFlat, false);
  assertEquals(flatnessOf([], 300, TOLERANCE).isFlat, false);
});
