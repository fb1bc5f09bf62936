import { assert } from "@std/assert";
import { FIRST_BLOCK, PARTS } from "../../../../engine/kvs/index/layout.ts";

Deno.test("The words of an index are each assigned once, before the first block", () => {
  const parts = PARTS.toSorted((a, b) => a.at - b.at);
  assert(parts.length > 10);
  let end = 0;
  for (const { at, words } of parts) {
    assert(words > 0);
    assert(at >= end, `Words ${at} to ${end - 1} are assigned twice`);
    end = at + words;
  }
  // Offset zero is no block, and all that is assigned lies before the first.
  assert(parts[0].at > 0 && end <= FIRST_BLOCK);
});
