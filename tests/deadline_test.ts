import { assertEquals, assertRejects } from "@std/assert";
import { until, within } from "./_deadline.ts";

Deno.test("within() gives what a promise gives, in time", async () => {
  assertEquals(await within("a number", Promise.resolve(1)), 1);
  await assertRejects(
    () => within("a number", Promise.reject(new RangeError("None"))),
    RangeError,
    "None",
  );
});

Deno.test("within() names what did not come in time", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  await assertRejects(
    () => within("the answer", promise, 10),
    Error,
    "Waited 0.01 s for the answer",
  );
  // Nobody waits for it any more, so this fails no test.
  reject(new Error("Too late"));
  await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("until() waits for a condition, and names it if it never holds", async () => {
  let looks = 0;
  await until("three looks", () => ++looks === 3);
  assertEquals(looks, 3);
  await until("a promise of it", () => Promise.resolve(true));
  await assertRejects(
    () => until("the impossible", () => false, 10),
    Error,
    "Waited 0.01 s for the impossible",
  );
  await assertRejects(
    () =>
      until("what throws", () => {
        throw new RangeError("No");
      }),
    RangeError,
    "No",
  );
});
