import { assertEquals, assertRejects } from "@std/assert";
import { resolvesWithin } from "../../net/waiting.ts";

Deno.test("resolvesWithin() tells whether a promise resolved in time", async () => {
  assertEquals(await resolvesWithin(Promise.resolve(), 1_000), true);
  assertEquals(await resolvesWithin(new Promise(() => {}), 10), false);
});

Deno.test("resolvesWithin() rejects as the promise does", async () => {
  await assertRejects(
    () => resolvesWithin(Promise.reject(new Error("no")), 1_000),
    Error,
    "no",
  );
});
