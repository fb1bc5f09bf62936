import { assert, assertEquals, assertThrows } from "@std/assert";
import { descriptorBudget } from "../../net/descriptor_budget.ts";
import { readDescriptorUse } from "../../net/native/descriptors.ts";
import { HAS_EPOLL } from "./_native.ts";

Deno.test("descriptorBudget() leaves a reserve to everything but connections", () => {
  const budget = (limit: number, threads: number, engine = "kvs" as const) =>
    descriptorBudget({ limit, open: 24 }, threads, engine).maxConnections;
  assertEquals(budget(1_024, 2), 1_024 - 24 - 2 * 29 - 64);
  assertEquals(budget(1_048_576, 8), 1_048_576 - 24 - 8 * 29 - 64);
  // A quarter, where that is more.
  assertEquals(budget(128, 2), 19);
  assertEquals(budget(64, 2), 3);
  const level = (limit: number) =>
    descriptorBudget({ limit, open: 24 }, 2, "level").maxConnections;
  assertEquals(budget(1_024, 2) - level(1_024), 205);
  assertEquals(budget(65_536, 2) - level(65_536), 1_000);
});

Deno.test("descriptorBudget() bounds what is accepted ahead", () => {
  for (
    const [limit, threads, expected] of [
      [1_048_576, 2, 64],
      [128, 2, 4],
      [64, 2, 1],
      [4_096, 128, 2],
    ]
  ) {
    const use = { limit, open: 24 };
    const { acceptAhead } = descriptorBudget(use, threads, "kvs");
    assertEquals(acceptAhead, expected, `${limit}, ${threads} threads`);
  }
});

Deno.test("descriptorBudget() refuses to serve with next to none", () => {
  assertThrows(
    () => descriptorBudget({ limit: 64, open: 24 }, 3, "kvs"),
    Error,
    'Cannot serve with 3 threads: 64 file descriptors are not enough, at least 71 are needed (see "ulimit -n")',
  );
});

Deno.test("descriptorBudget() leaves it at that where nothing is known", () => {
  assertEquals(descriptorBudget(undefined, 128, "level"), {
    maxConnections: Infinity,
    acceptAhead: 64,
  });
});

Deno.test({
  name: "readDescriptorUse() counts what is open, and reads the limit",
  ignore: !HAS_EPOLL,
  fn() {
    const before = readDescriptorUse()!;
    const files = Array.from({ length: 50 }, () => Deno.openSync("/dev/null"));
    const { open, limit } = readDescriptorUse()!;
    for (const file of files) file.close();
    // Other tests' Workers may have some more or less meanwhile.
    assert(open - before.open > 25, `${before.open}, then ${open}`);
    const limits = Deno.readTextFileSync("/proc/self/limits");
    assertEquals(`${limit}`, /^Max open files +(\d+)/m.exec(limits)?.[1]);
  },
});
