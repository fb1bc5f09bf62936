import { assert, assertEquals } from "@std/assert";
import { Counters, totalsOf } from "../../monitor/counters.ts";

const NOTHING = { gets: 0, sets: 0, removes: 0, errors: 0 };

Deno.test("Counters add up over all threads", () => {
  const buffer = Counters.share(3);
  const first = new Counters(buffer, 0);
  const last = new Counters(buffer, 2);
  first.add("scan");
  last.add("scan", 2);
  last.add("refused");
  first.end(first.begin(), { gets: 1, sets: 2, removes: 3, errors: 4 });
  last.end(last.begin(), { gets: 10, sets: 20, removes: 30, errors: 40 });
  assertEquals(totalsOf(buffer).counts, {
    get: 11,
    set: 22,
    remove: 33,
    scan: 3,
    snapshot: 0,
    compact: 0,
    stats: 0,
    auth: 0,
    invalid: 0,
    errors: 44,
    denied: 0,
    connections: 0,
    refused: 1,
    deaths: 0,
  });
});

Deno.test("Counters count on where another thread had the row", () => {
  const buffer = Counters.share(1);
  new Counters(buffer, 0).add("auth");
  new Counters(buffer, 0).add("auth");
  assertEquals(totalsOf(buffer).counts.auth, 2);
});

Deno.test("Counters.end() counts the batch's time for each get and set", () => {
  const buffer = Counters.share(1);
  const counters = new Counters(buffer, 0);
  const beganMs = counters.begin() - 250;
  counters.end(beganMs, { ...NOTHING, gets: 3, sets: 2 });
  const { get, set } = totalsOf(buffer);
  assertEquals([get.histogram.total, set.histogram.total], [3, 2]);
  for (const { histogram } of [get, set]) {
    const us = histogram.percentileUs(0.5);
    assert(us >= 250_000 && us < 300_000, `${us} µs`);
  }
  assert(get.sumS >= 0.75 && get.sumS < 0.9, `${get.sumS} s`);
  assert(set.sumS >= 0.5 && set.sumS < 0.6, `${set.sumS} s`);
});

Deno.test("Counters.begin() times every batch where they are few", async () => {
  const counters = new Counters(Counters.share(1), 0);
  for (let i = 0; i < 20; i++) {
    assert(!Number.isNaN(counters.begin()));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
});

Deno.test("Counters.begin() times some batches for all where they are many", () => {
  const buffer = Counters.share(1);
  const counters = new Counters(buffer, 0);
  const batches = 500_000;
  let timed = 0;
  for (let i = 0; i < batches; i++) {
    const beganMs = counters.begin();
    if (!Number.isNaN(beganMs)) timed++;
    counters.end(beganMs, { ...NOTHING, gets: 1 });
  }
  const { counts, get } = totalsOf(buffer);
  assertEquals(counts.get, batches);
  assert(timed > batches / 200 && timed < batches / 8, `${timed} timed`);
  const counted = get.histogram.total / batches;
  assert(counted > 0.8 && counted < 1.25, `${counted} counted for one`);
});
