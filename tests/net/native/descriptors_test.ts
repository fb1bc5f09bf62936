import { assertEquals } from "@std/assert";
import { Descriptors } from "../../../net/native/descriptors.ts";
import { testsInChild } from "../../_child_tests.ts";
import { HAS_EPOLL } from "../_native.ts";

testsInChild(
  new URL("./_descriptors_of_the_dead.ts", import.meta.url),
  {
    ignore: !HAS_EPOLL,
  },
);

Deno.test("Descriptors.delete() strikes out one descriptor and no other", () => {
  const descriptors = new Descriptors();
  for (const fd of [0, 31, 32, 1_000_000]) descriptors.add(fd);
  descriptors.delete(31);
  descriptors.delete(7);
  assertEquals(
    [...descriptors.words.entries()].filter(([, word]) => word !== 0),
    [[0, 1], [1, 1], [1_000_000 / 32, 1]],
  );
});
