import { assertEquals, assertStringIncludes } from "@std/assert";
import { shellChart, shellTable } from "../../../bench/shell/shell_report.ts";
import type { ShellResult } from "../../../bench/shell/shell_run.ts";

function result(
  target: ShellResult["target"],
  command: ShellResult["command"],
  median: number,
): ShellResult {
  return {
    ...{ target, command, order: "random", format: "json" },
    pairsPerS: { median, min: median / 2, max: median * 2 },
  };
}

Deno.test("shellTable() says which commands are as fast as they are to be", () => {
  const rows = shellTable([
    result("--dir", "export", 299_999),
    result("--dir", "import", 300_000),
    result("--addr", "import", 100_000),
  ]).split("\n").slice(2).map((line) =>
    line.split("|").map((cell) => cell.trim()).slice(1, -1)
  );
  assertEquals(rows.map(([name, , , , , verdict]) => [name, verdict]), [
    ["kvs import --dir", "met"],
    ["kvs import --addr", ""],
    ["kvs export --dir", "missed"],
    [undefined, undefined],
  ]);
});

Deno.test("shellChart() leaves out what was not measured", async () => {
  const chart = await shellChart([result("--dir", "import", 400_000)]);
  assertStringIncludes(chart, "kvs export");
  assertEquals(chart.match(/<line [^>]*stroke="#1f2933"/g)?.length, 1);
});
