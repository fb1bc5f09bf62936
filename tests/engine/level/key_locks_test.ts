import { assertEquals, assertRejects } from "@std/assert";
import { until } from "../../_deadline.ts";
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

/** Stands for a holder whose thread is dead or blocked: no timer of it runs. */
function withoutTimers<T>(body: () => T): T {
  const { setInterval } = globalThis;
  globalThis.setInterval = (() => 0) as unknown as typeof setInterval;
  try {
    return body();
  } finally {
    globalThis.setInterval = setInterval;
  }
}

Deno.test("KeyLocks.hold() takes over from a dead holder, and fails it should it be alive", async () => {
  const { buffer } = new KeyLocks();
  const [blocked, other] = [0, 1].map(() => new KeyLocks(buffer, 50));
  const { promise, resolve } = Promise.withResolvers<void>();
  let isThere = true;
  const remove = async () => {
    const found = isThere;
    await promise;
    isThere = false;
    return found;
  };
  const first = withoutTimers(() => blocked.hold(keys("k"), remove));
  const second = other.hold(keys("k"), () => {
    resolve();
    return remove();
  });
  await assertRejects(() => first, Error, "Cannot tell whether the key was");
  assertEquals(await second, true);
  // Whose lock it was is over: the late one did not give it back.
  assertEquals(await blocked.hold(keys("k"), remove), false);
});

Deno.test("KeyLocks.hold() shows that a slow holder is alive, so that others wait on", async () => {
  const locks = new KeyLocks(undefined, 50);
  const words = () => new Int32Array(locks.buffer).slice(0, 256).join();
  const seen = new Set<string>();
  const held = locks.hold(keys("a", "b", "c"), async () => {
    await until("the locks to be renewed", () => seen.add(words()).size >= 3);
    return "done";
  });
  assertEquals(await held, "done");
  assertEquals(new Set(words().split(",")), new Set(["0"]));
});
