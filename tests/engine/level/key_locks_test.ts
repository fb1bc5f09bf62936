import { assertEquals, assertRejects } from "@std/assert";
import { KeyLocks } from "../../../engine/level/key_locks.ts";

const keys = (...names: string[]) =>
  names.map((name) => new TextEncoder().encode(name));

Deno.test("KeyLocks.hold() lets one at a time work on a key", async () => {
  const locks = new KeyLocks();
  const joined = new KeyLocks(locks.buffer);
  let inside = 0;
  let most = 0;
  let done = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await Deno.stat(".");
    inside--;
    done++;
  };
  await Promise.all(Array.from(
    { length: 40 },
    (_, i) => (i % 2 ? locks : joined).hold(keys("k"), work),
  ));
  assertEquals([most, done], [1, 40]);
});

Deno.test("KeyLocks.hold() lets others work on other keys", async () => {
  const locks = new KeyLocks();
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = locks.hold(keys("a"), async () => {
    await promise;
    order.push("a");
  });
  await locks.hold(keys("b"), () => Promise.resolve(order.push("b")));
  resolve();
  await first;
  assertEquals(order, ["b", "a"]);
});

Deno.test("KeyLocks.hold() takes many keys in whatever order", async () => {
  const locks = new KeyLocks();
  const names = Array.from({ length: 300 }, (_, i) => `key ${i}`);
  let done = 0;
  await Promise.all(Array.from({ length: 10 }, (_, i) =>
    locks.hold(
      keys(...i % 2 ? names : names.toReversed(), "key 7", "key 7"),
      async () => {
        await Deno.stat(".");
        done++;
      },
    )));
  assertEquals(done, 10);
});

Deno.test("KeyLocks.hold() gives the locks back after a failure", async () => {
  const locks = new KeyLocks();
  await assertRejects(
    () => locks.hold(keys("k"), () => Promise.reject(new Error("disk full"))),
    Error,
    "disk full",
  );
  assertEquals(await locks.hold(keys("k"), () => Promise.resolve(1)), 1);
});
