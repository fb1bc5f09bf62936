/**
 * Charts, drawn without a browser, for light and for dark pages.
 *
 * @module
 */

import type { Spread } from "../support/spread.ts";

/** Every colour of a chart, and what it is on a dark page. */
const DARK: Readonly<Record<string, string>> = {
  "#ffffff": "#14191f",
  "#1f2933": "#e4e7eb",
  "#5b6770": "#9aa5b1",
  "#d9dee3": "#2c353f",
  "#7b8794": "#7b8795",
  "#c2335a": "#f0718f",
  "#3b75c4": "#6ba3ee",
  "#e08a3c": "#f0a35e",
  "#3c9d78": "#5cc49a",
};

const [PAGE, TEXT, FAINT, GRID, AXIS] = Object.keys(DARK);

/** The colour of aims and of what cannot be passed. */
export const LIMIT_COLOR = "#c2335a";

/** The colours of series. */
export const SERIES_COLORS = ["#3b75c4", "#e08a3c", "#3c9d78"];

/** Spells the numbers at an axis, such as `300k`. */
export const NUMBER_FORMAT = "~s";

/**
 * Draws a chart of Vega-Lite as SVG, in a process of its own: with Vega in the
 * project's lock file Deno would download it before the first start of kvs.
 */
export async function drawChart(spec: object): Promise<string> {
  const lock = new URL("../charts.lock", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--no-config"],
      ...["--frozen", `--lock=${lock}`, "npm:vega-lite@6.5.0/vl2svg"],
      ...["--loglevel", "error"],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = new Response(JSON.stringify({ ...spec, config: CONFIG }));
  await input.body!.pipeTo(child.stdin);
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Vega cannot draw the chart");
  const rules = Object.entries(DARK).flatMap(([light, dark]) => [
    `[fill="${light}"]{fill:${dark}}`,
    `[stroke="${light}"]{stroke:${dark}}`,
  ]);
  const style = `@media (prefers-color-scheme:dark){${rules.join("")}}`;
  return new TextDecoder().decode(stdout).trim()
    .replace(/<svg[^>]*>/, `$&<style>${style}</style>`) + "\n";
}

const CONFIG = {
  aria: false,
  font: "system-ui, sans-serif",
  background: PAGE,
  padding: 24,
  title: { anchor: "start", offset: 12, color: TEXT, subtitleColor: FAINT },
  header: { labelColor: TEXT, labelFontSize: 12 },
  text: { color: TEXT, fontSize: 12 },
  axis: {
    labelColor: FAINT,
    titleColor: TEXT,
    gridColor: GRID,
    tickColor: AXIS,
    domainColor: AXIS,
    labelLimit: 0,
  },
  legend: { labelColor: TEXT, labelLimit: 0, symbolOpacity: 1 },
  view: { stroke: null },
};

/** Bars in groups, in rows and columns of small charts. */
export interface BarChart {
  readonly title: string;
  /** A line below the title. */
  readonly note: string;
  /** The names of the series, in their order. */
  readonly series: readonly string[];
  /** What the line across a group is. */
  readonly limit: string;
  /** What the groups are. */
  readonly groups: string;
  readonly columns: readonly string[];
  readonly bars: readonly Bar[];
}

/** A bar of a {@linkcode BarChart}. */
export interface Bar {
  readonly column: string;
  readonly row: string;
  readonly group: string;
  readonly series: string;
  readonly value: Spread;
  /** A value that the group is measured by. */
  readonly limit?: number;
}

/** Draws bars; all charts of a column have one scale. */
export function drawBars(chart: BarChart): Promise<string> {
  const { title, note, series, groups, columns } = chart;
  const rows = [...new Set(chart.bars.map(({ row }) => row))];
  const xOffset = { field: "series", scale: { domain: [...series] } };
  const y = (field: string) => ({ field, type: "quantitative", title: null });
  const color = {
    field: "name",
    type: "nominal",
    scale: {
      domain: [...series, chart.limit],
      range: [...SERIES_COLORS.slice(0, series.length), LIMIT_COLOR],
    },
    legend: { title: null, orient: "top" },
  };
  return drawChart({
    title: { text: title, subtitle: note },
    hconcat: columns.map((column, i) => ({
      title: { text: column, anchor: "middle" },
      data: {
        values: chart.bars.filter((bar) => bar.column === column)
          .map(({ value, ...bar }) => ({ ...bar, ...value, name: bar.series })),
      },
      facet: {
        row: {
          field: "row",
          sort: rows,
          title: null,
          header: { labels: i === 0, labelAngle: 0, labelAlign: "left" },
        },
      },
      spec: {
        width: 260,
        height: 120,
        encoding: {
          x: {
            field: "group",
            type: "nominal",
            sort: null,
            title: groups,
            axis: { labelAngle: 0 },
          },
        },
        layer: [
          {
            mark: "bar",
            encoding: {
              xOffset,
              color,
              y: {
                ...y("median"),
                axis: { format: NUMBER_FORMAT, tickCount: 4 },
              },
            },
          },
          {
            mark: { type: "rule", color: TEXT, strokeWidth: 1.5 },
            encoding: { xOffset, y: y("min"), y2: { field: "max" } },
          },
          {
            transform: [
              { filter: "isValid(datum.limit)" },
              { calculate: JSON.stringify(chart.limit), as: "name" },
            ],
            mark: { type: "tick", thickness: 2, opacity: 1 },
            encoding: { y: y("limit"), color },
          },
        ],
      },
    })),
  });
}
