import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Write, WriteOutcome } from "../../engine/engine.ts";
import { JoinedWrites } from "../../net/joined_writes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function sets(...keys: string[]): Write[] {
  return keys.map((key) => ({
    key: encoder.encode(key),
    value: encoder.encode("v"),
  }));
}

/** An engine that notes what it is given, and answers that with a number. */
function makeEngine(
  answer: (count: number) => WriteOutcome[] | Promise<WriteOutcome[]>,
) {
  const calls: string[] = [];
  return {
    calls,
    write(writes: readonly Write[]) {
      calls.push(writes.map(({ key }) => decoder.decode(key)).join(" "));
      return answer(writes.length);
    },
  };
}

const allTrue = (count: number) => Array<WriteOutcome>(count).fill(true);

Deno.test("JoinedWrites.write() gives the engine the writes of one turn at once, in order", async () => {
  const engine = makeEngine(allTrue);
  const joined = new JoinedWrites(engine);
  await Promise.all([
    joined.write(sets("a", "b")),
    joined.write(sets("c")),
    joined.write([]),
    joined.write(sets("a")),
  ]);
  assertEquals(engine.calls, ["a b c a"]);
  await joined.write(sets("d"));
  assertEquals(engine.calls, ["a b c a", "d"]);
});

Deno.test("JoinedWrites.write() gives each caller the outcomes of its own writes", async () => {
  const failed = new Error("too large");
  for (const isAsync of [false, true]) {
    const joined = new JoinedWrites(makeEngine(() => {
      const outcomes = [true, false, failed, true];
      return isAsync ? Promise.resolve(outcomes) : outcomes;
    }));
    assertEquals(
      await Promise.all([
        joined.write(sets("a", "b")),
        joined.write(sets("c")),
        joined.write(sets("d")),
      ]),
      [[true, false], [failed], [true]],
    );
  }
});

Deno.test("JoinedWrites.write() rejects for all whom a failure concerns, and for no others", async () => {
  let isBroken = true;
  const joined = new JoinedWrites(makeEngine((count) => {
    if (isBroken) throw new Error("disk full");
    return allTrue(count);
  }));
  const [first, second] = [joined.write(sets("a")), joined.write(sets("b"))];
  await Promise.all([
    assertRejects(() => first, Error, "disk full"),
    assertRejects(() => second, Error, "disk full"),
  ]);
  isBroken = false;
  assertEquals(await joined.write(sets("c")), [true]);
});

Deno.test("JoinedWrites.write() does not keep many writes waiting for more", async () => {
  const engine = makeEngine(allTrue);
  const joined = new JoinedWrites(engine);
  const many = sets(...Array.from({ length: 1_500 }, (_, i) => `${i}`));
  const parts = [joined.write(many), joined.write(sets("last"))];
  assertEquals(engine.calls.length, 1);
  const [first, second] = await Promise.all(parts);
  assertEquals([first.length, second.length], [1_500, 1]);
  assertEquals(engine.calls.length, 2);
  assert(!engine.calls[0].includes("last"));
});

Deno.test("JoinedWrites.write() rejects where an engine answers another number of writes", async () => {
  const joined = new JoinedWrites(makeEngine(() => [true]));
  const parts = [joined.write(sets("a")), joined.write(sets("b"))];
  for (const part of parts) {
    await assertRejects(() => part, Error, "Engine answered 1 of 2 writes");
  }
});
