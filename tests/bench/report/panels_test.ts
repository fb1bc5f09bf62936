import { assert, assertEquals } from "@std/assert";
import { drawPanels } from "../../../bench/report/panels.ts";
import { shellChart } from "../../../bench/shell/shell_report.ts";

/** What a letter takes at most on average, in a label's font. */
const LETTER_WIDTH = 6.5;

/** Texts that are centred: the labels of groups. */
function labelsOf(svg: string): { x: number; y: number; text: string }[] {
  return Array.from(
    svg.matchAll(
      /<text class="faint" x="([\d.]+)" y="([\d.]+)" text-anchor="middle">([^<]*)</g,
    ),
    ([, x, y, text]) => ({ x: Number(x), y: Number(y), text }),
  );
}

function assertApart(svg: string): void {
  const labels = labelsOf(svg);
  assert(labels.length > 1);
  for (const [i, a] of labels.entries()) {
    for (const b of labels.slice(i + 1)) {
      if (Math.abs(a.y - b.y) >= 12) continue;
      const room = (a.text.length + b.text.length) / 2 * LETTER_WIDTH;
      assert(Math.abs(a.x - b.x) >= room, `"${a.text}" meets "${b.text}"`);
    }
  }
}

Deno.test("drawPanels() breaks labels that would run into each other", () => {
  const chartOf = (...labels: string[]) =>
    drawPanels({
      title: "t",
      note: "n",
      series: ["s"],
      columns: ["c"],
      rows: [{
        label: "r",
        panels: [{ groups: labels.map((label) => ({ label, bars: [] })) }],
      }],
    });
  const long = "imported in random order";
  const chart = chartOf(long, long, long);
  assertApart(chart);
  assertEquals(
    labelsOf(chart).slice(0, 2).map(({ text }) => text),
    ["imported in", "random order"],
  );
  assertEquals(labelsOf(chartOf(long))[0].text, long);
});

Deno.test("shellChart() has labels that stand apart", () => {
  const url = new URL("../../../bench/results/shell.jsonl", import.meta.url);
  const [, ...results] = Deno.readTextFileSync(url).trim().split("\n")
    .map((line) => JSON.parse(line));
  assertApart(shellChart(results));
});
