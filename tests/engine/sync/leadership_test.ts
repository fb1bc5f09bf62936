import { assert, assertEquals } from "@std/assert";
import {
  Leadership,
  LEADERSHIP_WORDS,
} from "../../../engine/sync/leadership.ts";

function twoInstances(): [Leadership, Leadership] {
  const words = new Int32Array(new SharedArrayBuffer(8 + LEADERSHIP_WORDS * 4));
  return [new Leadership(words, 2), new Leadership(words, 2)];
}

Deno.test("Leadership.tryLead() gives one leader to a term", () => {
  const [a, b] = twoInstances();
  assertEquals(a.hasLeader, false);
  assertEquals(a.tryLead(), true);
  assertEquals(b.hasLeader, true);
  assertEquals(b.tryLead(), false);
  assertEquals(a.tryLead(), false);
  a.resign();
  assertEquals(b.hasLeader, false);
  assertEquals(b.tryLead(), true);
  b.resign();
});

Deno.test("Leadership.resign() begins the next term", () => {
  const [a, b] = twoInstances();
  const term = b.term;
  assert(a.tryLead());
  assertEquals(b.term, term);
  a.resign();
  assertEquals(b.term, term + 1);
});

Deno.test("Leadership.ended() resolves when the leader ends the term", async () => {
  const [a, b] = twoInstances();
  const term = b.term;
  assert(a.tryLead());
  let over = false;
  const waiting = b.ended(term).then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(over, false);
  a.resign();
  await waiting;
});

Deno.test("Leadership.ended() resolves at once for a term that has ended", async () => {
  const [a, b] = twoInstances();
  const term = b.term;
  assert(a.tryLead());
  a.resign();
  await b.ended(term);
});

/** Instances with these ids, which live as long as they are in `alive`. */
function mortals(ids: number[], alive: Set<number>): Leadership[] {
  const words = new Int32Array(new SharedArrayBuffer(LEADERSHIP_WORDS * 4));
  return ids.map((id) =>
    new Leadership(words, 0, { id, isAlive: (id) => alive.has(id) })
  );
}

Deno.test("Leadership.ended() ends the term of a leader that has died", async () => {
  const alive = new Set([1, 2]);
  const [a, b] = mortals([1, 2], alive);
  const term = b.term;
  assert(a.tryLead());
  let over = false;
  const waiting = b.ended(term).then(() => over = true);
  await new Promise((resolve) => setTimeout(resolve, 600));
  assertEquals(over, false, "the leader lives");
  alive.delete(1);
  await waiting;
  assertEquals(b.term, term + 1);
  assert(b.tryLead());
  // Should it come back, it ends nothing that is not its own.
  a.resign();
  assert(b.hasLeader);
});

Deno.test("Leadership.hasLeader ends the term of a leader that has died", () => {
  const alive = new Set([1]);
  const [a, b] = mortals([1, 2], alive);
  assert(a.tryLead());
  assertEquals(b.hasLeader, true);
  alive.delete(1);
  assertEquals(b.hasLeader, false);
  assert(b.tryLead());
});

Deno.test("Leadership.takeOver() makes another instance the leader of the term", () => {
  const [a, b, c] = mortals([1, 2, 3], new Set([1, 2, 3]));
  assert(a.tryLead());
  assertEquals(c.takeOver(2), false);
  assertEquals(b.takeOver(1), true);
  a.resign();
  assertEquals(c.hasLeader, true);
  b.resign();
  assertEquals(c.hasLeader, false);
  assertEquals(c.takeOver(2), false);
});

Deno.test("Leadership.ended() keeps the process alive while it waits", async () => {
  const module = new URL("../../../engine/sync/leadership.ts", import.meta.url);
  // A pending waitAsync alone lets a process end; the top-level await after it
  // would then never come to its end.
  const script = `
    import { Leadership } from ${JSON.stringify(module.href)};
    const leadership = new Leadership(new Int32Array(new SharedArrayBuffer(12)), 0);
    leadership.tryLead();
    setTimeout(() => leadership.resign(), 100);
    leadership.ended(leadership.term).then(() => console.log("over"));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stderr: "null",
  }).output();
  assertEquals(new TextDecoder().decode(stdout), "over\n");
});
