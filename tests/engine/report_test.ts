import { assertEquals } from "@std/assert";
import { report } from "../../engine/report.ts";

Deno.test("report() fails nothing where standard error can't be written", () => {
  const real = console.error;
  const lines: unknown[] = [];
  try {
    console.error = (line: unknown) => lines.push(line);
    report("first");
    console.error = () => {
      throw new Deno.errors.WouldBlock("Resource temporarily unavailable");
    };
    report("second");
  } finally {
    console.error = real;
  }
  assertEquals(lines, ["first"]);
});
