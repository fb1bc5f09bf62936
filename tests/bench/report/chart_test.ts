import { assert, assertEquals } from "@std/assert";
import { matrixChart } from "../../../bench/matrix/matrix_report.ts";
import { shellChart } from "../../../bench/shell/shell_report.ts";

const ROOT = new URL("../../../", import.meta.url);

function readResults(name: string) {
  const url = new URL(`bench/results/${name}.jsonl`, ROOT);
  const [, ...results] = Deno.readTextFileSync(url).trim().split("\n");
  return results.map((line) => JSON.parse(line));
}

const charts = {
  shell: await shellChart(readResults("shell")),
  matrix: await matrixChart(readResults("matrix")),
};

Deno.test("drawChart() has a dark form of each colour", () => {
  for (const chart of Object.values(charts)) {
    const used = Array.from(
      chart.matchAll(/(?:fill|stroke)="(#[^"]+)"/g),
      ([attribute]) => attribute,
    );
    assert(used.length > 100);
    const [style] = /@media \(prefers-color-scheme:dark\).*?<\/style>/
      .exec(chart)!;
    for (const attribute of new Set(used)) {
      assert(style.includes(`[${attribute}]{`), attribute);
    }
  }
});

Deno.test("docs/ has the charts of the committed results", () => {
  for (const [name, chart] of Object.entries(charts)) {
    const committed = new URL(`docs/bench_${name}.svg`, ROOT);
    assertEquals(Deno.readTextFileSync(committed), chart, name);
  }
});
