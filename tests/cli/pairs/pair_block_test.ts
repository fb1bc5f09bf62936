import { assertEquals } from "@std/assert";
import { PairBlock } from "../../../cli/pairs/pair_block.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

Deno.test("PairBlock gives back the pairs that were added, and their order", () => {
  // More than it has room for at first.
  const names = Array.from(
    { length: 5_000 },
    (_, i) => String(10_000 + i * 7_919 % 2_500),
  );
  // A view in the middle of an array, as a block of a file is.
  const bytes = encoder.encode(`..${names.join("")}`).subarray(2);
  const block = new PairBlock(bytes);
  names.forEach((_, i) => block.add(i * 5, i * 5 + 3, i * 5 + 3, i * 5 + 5));
  assertEquals(block.count, names.length);
  const found = Array.from(
    block,
    ({ key, value }) => decoder.decode(key) + decoder.decode(value),
  );
  assertEquals(found, names);
  const keyOf = (place: number) => decoder.decode(block.at(place).key);
  const expected = [...names.keys()].sort((a, b) =>
    keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : a - b
  );
  assertEquals([...block.keyOrder()], expected);
});
