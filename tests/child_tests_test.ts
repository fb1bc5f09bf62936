import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { runTests } from "./_child_tests.ts";

/** Runs a module of tests that is made for it. */
async function runSource(source: string, deadlineMs?: number): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, source);
    await runTests(new URL(`file://${path}`), { deadlineMs });
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("runTests() resolves if all tests pass", async () => {
  assertEquals(await runSource('Deno.test("passes", () => {});'), undefined);
});

Deno.test("runTests() rejects with what was printed if a test fails", async () => {
  const { message } = await assertRejects(
    () =>
      runSource(`
        Deno.test("passes", () => console.log("to stdout"));
        Deno.test("fails", () => {
          console.error("to stderr");
          throw new Error("Broken");
        });
      `),
    Error,
    "failed with code 1",
  );
  for (const part of ["to stdout", "to stderr", "Broken", "1 passed"]) {
    assertStringIncludes(message, part);
  }
});

Deno.test("runTests() rejects if a module has no tests", async () => {
  await assertRejects(() => runSource("export {};"), Error, "No test of ");
});

Deno.test("runTests() kills tests that take too long, and names them", async () => {
  await assertRejects(
    () =>
      runSource(
        'Deno.test("hangs", () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });',
        50,
      ),
    Error,
    "Waited 0.05 s for the tests of ",
  );
});
