/**
 * A chart of small ones over one time, to see whether things grow.
 *
 * @module
 */

import { axisNumber, niceLimit } from "./axis.ts";
import { SvgDrawing } from "./svg.ts";

/** A value at a time; `undefined` where it was not known. */
export type Point = readonly [timeS: number, value: number | undefined];

/** A chart of panels over time. */
export interface TimeChart {
  readonly title: string;
  /** A line below the title. */
  readonly note: string;
  readonly columns: readonly string[];
  /** Until when the time goes, in seconds. */
  readonly durationS: number;
  /**
   * When something ended and began anew, by column; marked on its panels, and
   * no line goes over it.
   */
  readonly marks: readonly (readonly number[])[];
  readonly rows: readonly {
    readonly label: string;
    /** The names of the lines; three at most. */
    readonly series: readonly string[];
    /** For each column a line for each name. */
    readonly panels: readonly (readonly (readonly Point[])[])[];
  }[];
}

const MARGIN = 24;
const PANEL_WIDTH = 400;
const PANEL_HEIGHT = 130;
const GAP_X = 76;
const GAP_Y = 66;
const TOP = 110;

/** Draws a chart; both panels of a row have one scale. */
export function drawTimes(chart: TimeChart): string {
  const { columns, rows } = chart;
  const width = MARGIN * 2 + columns.length * (PANEL_WIDTH + GAP_X);
  const height = TOP + rows.length * (PANEL_HEIGHT + GAP_Y);
  const svg = new SvgDrawing(width, height, chart.title);
  svg.text(MARGIN, 32, chart.title, { style: "title" });
  svg.text(MARGIN, 50, chart.note, { style: "faint" });
  columns.forEach((name, column) => {
    svg.text(panelX(column), 78, name, { style: "heading" });
  });
  rows.forEach(({ label, series, panels }, row) => {
    const y = TOP + row * (PANEL_HEIGHT + GAP_Y);
    const values = panels.flat(2).map(([, value]) => value ?? 0);
    // Not as arguments: a long run has more points than a call takes.
    const limit = niceLimit(values.reduce((a, b) => Math.max(a, b), 0));
    panels.forEach((lines, column) => {
      const x = panelX(column);
      svg.text(x, y - 10, label, { style: "label" });
      drawLegend(svg, series, x + PANEL_WIDTH, y - 10);
      drawPanel(svg, chart, column, lines, x, y, limit);
    });
  });
  return svg.toString();
}

function panelX(column: number): number {
  return MARGIN + GAP_X * 0.7 + column * (PANEL_WIDTH + GAP_X);
}

function drawLegend(
  svg: SvgDrawing,
  series: readonly string[],
  right: number,
  y: number,
): void {
  if (series.length < 2) return;
  let x = right;
  for (let i = series.length - 1; i >= 0; i--) {
    x -= series[i].length * 7 + 26;
    svg.line(x, y - 4, x + 16, y - 4, `line${i}`);
    svg.text(x + 20, y, series[i]);
  }
}

function drawPanel(
  svg: SvgDrawing,
  { durationS, marks }: TimeChart,
  column: number,
  lines: readonly (readonly Point[])[],
  left: number,
  top: number,
  limit: number,
): void {
  const bottom = top + PANEL_HEIGHT;
  const xOf = (timeS: number) => left + timeS / durationS * PANEL_WIDTH;
  const yOf = (value: number) => bottom - value / limit * PANEL_HEIGHT;
  for (const share of [0.25, 0.5, 0.75, 1]) {
    const at = yOf(limit * share);
    svg.line(left, at, left + PANEL_WIDTH, at, "grid");
    svg.text(left - 6, at + 4, axisNumber(limit * share), {
      style: "faint",
      anchor: "end",
    });
  }
  for (const timeS of marks[column]) {
    svg.line(xOf(timeS), bottom, xOf(timeS), bottom + 6, "mark");
  }
  for (const share of [0, 1 / 3, 2 / 3, 1]) {
    svg.text(
      xOf(durationS * share),
      bottom + 20,
      spellTime(durationS * share),
      {
        style: "faint",
        anchor: "middle",
      },
    );
  }
  lines.forEach((points, i) => {
    for (const known of stretchesOf(points, marks[column])) {
      svg.path(known.map(([t, value]) => [xOf(t), yOf(value)]), `line${i}`);
    }
  });
  svg.line(left, bottom, left + PANEL_WIDTH, bottom, "axis");
}

/** The stretches between marks in which a value was known. */
function stretchesOf(
  points: readonly Point[],
  marks: readonly number[],
): [number, number][][] {
  const stretches: [number, number][][] = [[]];
  let passed = 0;
  for (const [timeS, value] of points) {
    const before = passed;
    while (passed < marks.length && marks[passed] < timeS) passed++;
    if (value === undefined || passed > before) stretches.push([]);
    if (value !== undefined) {
      stretches[stretches.length - 1].push([timeS, value]);
    }
  }
  return stretches.filter((stretch) => stretch.length > 0);
}

function spellTime(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  return seconds < 7_200
    ? `${Number((seconds / 60).toFixed(1))} min`
    : `${Number((seconds / 3_600).toFixed(1))} h`;
}
