import { assertEquals, assertNotEquals } from "@std/assert";
import {
  FORMATS,
  ORDERS,
  writePairs,
} from "../../../bench/shell/pair_files.ts";
import { PairParser } from "../../../cli/pairs/pair_parser.ts";

const COUNT = 20_000;

Deno.test("writePairs() writes each key once, in either order and format", () => {
  const decoder = new TextDecoder();
  const path = Deno.makeTempFileSync();
  try {
    for (const order of ORDERS) {
      for (const format of FORMATS) {
        writePairs(path, COUNT, order, format);
        const parser = new PairParser(format);
        const pairs = parser.parse(Deno.readFileSync(path));
        assertEquals(parser.error, undefined);
        const keys = Array.from(pairs, ({ key }) => decoder.decode(key));
        const sorted = keys.toSorted();
        assertEquals(new Set(keys).size, COUNT);
        assertEquals(sorted[0], "key:000000000000");
        assertEquals(
          sorted[COUNT - 1],
          `key:${`${COUNT - 1}`.padStart(12, "0")}`,
        );
        if (order === "sorted") assertEquals(keys, sorted);
        else assertNotEquals(keys, sorted);
        assertEquals(
          Array.from(pairs).every(({ value }) => value.length === 100),
          true,
        );
        Deno.truncateSync(path);
      }
    }
  } finally {
    Deno.removeSync(path);
  }
});
