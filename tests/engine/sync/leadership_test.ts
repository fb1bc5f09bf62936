import { assert, assertEquals } from "@std/assert";
import {
  Leadership,
  LEADERSHIP_WORDS,
} from "../../../engine/sync/leadership.ts";

function twoInstances(): [Leadership, Leadership] {
  const words = new Int32Array(new SharedArrayBuffer(8 + LEADERSHIP_WORDS * 4));
  return [new Leadership(words, 2), new Leadership(words, 2)];
}

Deno.test("Leadership.tryLead() gives one leader to a round", () => {
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

Deno.test("Leadership.end() begins the next round", () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  assertEquals(b.current, round);
  a.end();
  assertEquals(b.current, round + 1);
});

Deno.test("Leadership.over() resolves when the leader ends the round", async () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  let over = false;
  const waiting = b.over(round).then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(over, false);
  a.end();
  await waiting;
});

Deno.test("Leadership.over() resolves at once for a round that is over", async () => {
  const [a, b] = twoInstances();
  const round = b.current;
  assert(a.tryLead());
  a.end();
  await b.over(round);
});

/** Instances with these ids, which live as long as they are in `alive`. */
function mortals(ids: number[], alive: Set<number>): Leadership[] {
  const words = new Int32Array(new SharedArrayBuffer(LEADERSHIP_WORDS * 4));
  return ids.map((id) =>
    new Leadership(words, 0, { id, isAlive: (id) => alive.has(id) })
  );
}

Deno.test("Leadership.over() ends the round of a leader that has died", async () => {
  const alive = new Set([1, 2]);
  const [a, b] = mortals([1, 2], alive);
  const round = b.current;
  assert(a.tryLead());
  let over = false;
  const waiting = b.over(round).then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 600));
  assertEquals(over, false, "the leader lives");
  alive.delete(1);
  await waiting;
  assertEquals(b.current, round + 1);
  assert(b.tryLead());
  // Should it come back, it ends nothing that is not its own.
  a.end();
  assert(b.underWay);
});

Deno.test("Leadership.underWay ends the round of a leader that has died", () => {
  const alive = new Set([1]);
  const [a, b] = mortals([1, 2], alive);
  assert(a.tryLead());
  assertEquals(b.underWay, true);
  alive.delete(1);
  assertEquals(b.underWay, false);
  assert(b.tryLead());
});

Deno.test("Leadership.takeOver() makes another instance the leader of the round", () => {
  const [a, b, c] = mortals([1, 2, 3], new Set([1, 2, 3]));
  assert(a.tryLead());
  assertEquals(c.takeOver(2), false);
  assertEquals(b.takeOver(1), true);
  a.end();
  assertEquals(c.underWay, true);
  b.end();
  assertEquals(c.underWay, false);
  assertEquals(c.takeOver(2), false);
});

Deno.test("Leadership.over() keeps the process alive while it waits", async () => {
  const module = new URL("../../../engine/sync/leadership.ts", import.meta.url);
  // A pending waitAsync alone lets a process end; the top-level await after it
  // would then never come to its end.
  const script = `
    import { Leadership } from ${JSON.stringify(module.href)};
    const rounds = new Leadership(new Int32Array(new SharedArrayBuffer(8)), 0);
    rounds.tryLead();
    setTimeout(() => rounds.end(), 100);
    rounds.over(rounds.current).then(() => console.log("over"));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stderr: "null",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "over\n");
});
