import { assert, assertEquals } from "@std/assert";
import { Rounds, ROUNDS_WORDS } from "../../../engine/kvs/rounds.ts";

function twoInstances(): [Rounds, Rounds] {
  const words = new Int32Array(new SharedArrayBuffer(8 + ROUNDS_WORDS * 4));
  return [new Rounds(words, 2), new Rounds(words, 2)];
}

Deno.test("Rounds.tryLead() gives one leader to a round", () => {
  const [a, b] = twoInstances();
  assertEquals(a.underWay, false);
  assertEquals(a.tryLead(), true);
  assertEquals(b.underWay, true);
  assertEquals(b.tryLead(), false);
  assertEquals(a.tryLead(), false);
  a.end();
  assertEquals(b.underWay, false);
  assertEquals(b.tryLead(), true);
  b.end();
});

Deno.test("Rounds.end() begins the next round", () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  assertEquals(b.current, round);
  a.end();
  assertEquals(b.current, round + 1);
});

Deno.test("Rounds.over() resolves when the leader ends the round", async () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  let over = false;
  const waiting = b.over(round, 10_000).then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(over, false);
  const started = performance.now();
  a.end();
  await waiting;
  assert(performance.now() - started < 5_000, "it only timed out");
});

Deno.test("Rounds.over() resolves at once for a round that is over", async () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  a.end();
  const started = performance.now();
  await b.over(round, 10_000);
  assert(performance.now() - started < 5_000);
});

Deno.test("Rounds.over() stops waiting after its time-out", async () => {
  const [a, b] = twoInstances();
  assert(a.tryLead());
  const started = performance.now();
  await b.over(b.current, 30);
  const waitedMs = performance.now() - started;
  assert(waitedMs >= 25 && waitedMs < 5_000, `waited ${waitedMs} ms`);
  assert(a.underWay);
});

Deno.test("Rounds.over() keeps the process alive while it waits", async () => {
  const module = new URL("../../../engine/kvs/rounds.ts", import.meta.url);
  // A pending waitAsync alone lets a process end; the top-level await after it
  // would then never come to its end.
  const script = `
    import { Rounds } from ${JSON.stringify(module.href)};
    const rounds = new Rounds(new Int32Array(new SharedArrayBuffer(8)), 0);
    rounds.tryLead();
    rounds.over(rounds.current, 100).then(() => console.log("over"));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stderr: "null",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "over\n");
});
