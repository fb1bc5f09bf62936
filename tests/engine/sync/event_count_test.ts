import { assertEquals } from "@std/assert";
import { within } from "../../_deadline.ts";
import {
  EVENT_COUNT_WORDS,
  EventCount,
} from "../../../engine/sync/event_count.ts";
import {
  DONE,
  OFFERED,
  SLEEP_MS,
  TAKEN,
  TOKENS,
  WORDS,
} from "../../pool/_ping.ts";

function makeEventCount(): EventCount {
  const words = new Int32Array(new SharedArrayBuffer(EVENT_COUNT_WORDS * 4));
  return new EventCount(words, 0);
}

/** Keeps the event loop, which a wait in shared memory alone does not. */
function awake(): Disposable {
  const timer = setInterval(() => {}, 1_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("EventCount.sleep() returns at once after an event", () => {
  const events = makeEventCount();
  const count = events.current;
  events.announce();
  // Or this would end in ten minutes.
  events.sleep(count, SLEEP_MS);
  events.sleep(events.current, 1);
});

Deno.test("EventCount.sleepAsync() says whether it has waited", async () => {
  using _ = awake();
  const events = makeEventCount();
  const count = events.current;
  events.announce();
  assertEquals(await events.sleepAsync(count, 10_000), false);
  assertEquals(await events.sleepAsync(events.current, 1), true);
  const slept = events.sleepAsync(events.current, SLEEP_MS);
  events.announce();
  assertEquals(await within("the sleeper to wake", slept), true);
});

Deno.test("EventCount.announce() wakes as many as it is told", async () => {
  using _ = awake();
  const events = makeEventCount();
  let awakened = 0;
  const sleepers = Array.from(
    { length: 3 },
    () => events.sleepAsync(events.current, SLEEP_MS).then(() => awakened++),
  );
  events.announce(1);
  await within("one to wake", Promise.race(sleepers));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(awakened, 1);
  events.announce();
  await within("all to wake", Promise.all(sleepers));
  assertEquals(awakened, 3);
});

Deno.test("EventCount loses no wake-up between threads", async () => {
  using _ = awake();
  const words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const offered = new EventCount(words, OFFERED);
  const taken = new EventCount(words, TAKEN);
  // Only one, since another might make up for what it misses.
  const url = new URL("../../pool/_ping_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const message = () =>
    new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  const ready = message();
  worker.postMessage(words.buffer);
  await ready;
  const done = message();

  let sent = 0;
  while (sent < 2_000) {
    Atomics.add(words, TOKENS, 1);
    offered.announce(1);
    sent++;
    for (let turn = 0; turn < 5_000; turn++) {
      if (Atomics.load(words, DONE) === sent) break;
    }
    for (;;) {
      const count = taken.current;
      if (Atomics.load(words, DONE) === sent) break;
      const slept = taken.sleepAsync(count, SLEEP_MS);
      await within(`token ${sent} to be taken`, slept);
    }
    // So that the next event comes while the Worker goes to sleep.
    for (let turn = sent * 769 % 3_000; turn > 0; turn--) {
      if (taken.current < 0) break;
    }
  }
  Atomics.store(words, TOKENS, -1);
  offered.announce();
  assertEquals(await within("the Worker to end", done), "done");
});
