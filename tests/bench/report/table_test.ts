import { assertEquals } from "@std/assert";
import {
  layOut,
  shortNumber,
  spreadInWords,
} from "../../../bench/report/table.ts";

Deno.test("shortNumber() has three digits", () => {
  const cases: [number | null, string][] = [
    [0, "0.00"],
    [8.304, "8.30"],
    [9.999, "10.0"],
    [99.99, "100"],
    [999.4, "999"],
    [999.6, "1.00k"],
    [12_345, "12.3k"],
    [999_400, "999k"],
    [999_600, "1.00M"],
    [1_040_000, "1.04M"],
    [NaN, "–"],
    [null, "–"],
  ];
  for (const [value, text] of cases) assertEquals(shortNumber(value), text);
});

Deno.test("spreadInWords() has a range where there is one", () => {
  assertEquals(
    spreadInWords({ median: 2e3, min: 1e3, max: 3e3 }),
    "2.00k (1.00k – 3.00k)",
  );
  assertEquals(spreadInWords({ median: 5, min: 5, max: 5 }), "5.00");
});

Deno.test("layOut() makes Markdown that is in columns as it is", () => {
  assertEquals(
    layOut({
      head: ["work", "rate"],
      rows: [["GET", "1.00k"], ["SET x", "7"]],
    }),
    "| work  |  rate |\n" +
      "| ----- | ----: |\n" +
      "| GET   | 1.00k |\n" +
      "| SET x |     7 |\n",
  );
});
