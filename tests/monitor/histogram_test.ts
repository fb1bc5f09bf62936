import { assert, assertEquals } from "@std/assert";
import { Histogram, HISTOGRAM_COUNTS } from "../../monitor/histogram.ts";

Deno.test("Histogram.percentileUs() is within 1.6 percent above the truth", () => {
  for (const us of [0.5, 7, 12.8, 99, 100, 1234, 50_000, 9_999_999]) {
    const histogram = new Histogram();
    histogram.record(us / 1e3, 1);
    const found = histogram.percentileUs(0.5);
    // A bucket is at least 0.1 µs wide.
    assert(
      found >= us - 0.1 && found <= us * 1.016 + 0.1,
      `${us} became ${found}`,
    );
  }
});

Deno.test("Histogram.percentileUs() tells shares apart", () => {
  const histogram = new Histogram();
  histogram.record(0.01, 989);
  histogram.record(1, 10);
  histogram.record(100, 1);
  assertEquals(Math.round(histogram.percentileUs(0.5)), 10);
  assertEquals(Math.round(histogram.percentileUs(0.989)), 10);
  assertEquals(Math.round(histogram.percentileUs(0.99) / 100), 10);
  assertEquals(Math.round(histogram.percentileUs(0.9999) / 1000), 101);
});

Deno.test("Histogram.percentileUs() is zero where nothing was counted", () => {
  assertEquals(new Histogram().percentileUs(0.99), 0);
});

Deno.test("Histogram.add() adds what another thread counted", () => {
  const here = new Histogram();
  const there = new Histogram();
  here.record(0.001, 1);
  there.record(10, 3);
  here.add(new Histogram(there.counts()));
  assertEquals(Math.round(here.percentileUs(0.5) / 100), 100);
  assertEquals(Math.round(here.percentileUs(0.25)), 1);
});

Deno.test("Histogram.record() counts what is longer than it can tell", () => {
  const histogram = new Histogram();
  histogram.record(1e9, 1);
  histogram.record(-1, 1);
  assertEquals(Math.round(histogram.percentileUs(1) / 1e6), 215);
  assertEquals(histogram.percentileUs(0.5), 0);
});

Deno.test("Histogram.countBelow() tells powers of two exactly", () => {
  const histogram = new Histogram();
  for (const us of [0, 3.1, 6.3, 6.4, 12.7, 12.8, 209_715, 209_716]) {
    histogram.record((us + 0.01) / 1e3, 1);
  }
  assertEquals([6, 7, 8, 21, 22, 31].map((n) => histogram.countBelow(n)), [
    3,
    5,
    6,
    7,
    8,
    8,
  ]);
  assertEquals(histogram.total, 8);
});

Deno.test("Histogram counts in memory that it is given", () => {
  const counts = new Float64Array(HISTOGRAM_COUNTS);
  new Histogram(counts).record(1, 2);
  new Histogram(counts).record(1, 3);
  assertEquals(new Histogram(counts).total, 5);
});
