/**
 * A chart of many small ones: bars in groups, all panels of a column on one
 * scale, so that they can be compared down the column.
 *
 * @module
 */

import type { Spread } from "../support/spread.ts";
import { axisNumber, niceLimit } from "./axis.ts";
import { SvgDrawing } from "./svg.ts";

/** Bars that stand together. */
export interface BarGroup {
  /** What stands below them. */
  readonly label: string;
  /** A bar for each series; `undefined` where there is none. */
  readonly bars: readonly (Spread | undefined)[];
  /** A line across the group that no bar can be expected to reach. */
  readonly ceiling?: number;
}

/** One of the small charts. */
export interface Panel {
  /** The groups, from left to right. */
  readonly groups: readonly BarGroup[];
}

/** A chart of panels. */
export interface PanelChart {
  readonly title: string;
  /** A line below the title. */
  readonly note: string;
  /** The names of the series; four at most. */
  readonly series: readonly string[];
  /** What the line across groups is, if there are any. */
  readonly ceiling?: string;
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly label: string;
    /** A panel for each column. */
    readonly panels: readonly Panel[];
  }[];
}

const MARGIN = 24;
const LABEL_WIDTH = 74;
const PANEL_WIDTH = 270;
const PANEL_HEIGHT = 130;
const GAP_X = 62;
const GAP_Y = 44;
const TOP = 112;

/** What a letter of a label takes at most, on average. */
const LETTER_WIDTH = 6.5;
const LINE_HEIGHT = 14;

/** The share of a group's width that its bars take. */
const BARS_SHARE = 0.78;

/** Draws a chart. */
export function drawPanels(chart: PanelChart): string {
  const { columns, rows } = chart;
  const width = MARGIN * 2 + LABEL_WIDTH +
    columns.length * (PANEL_WIDTH + GAP_X);
  const height = TOP + rows.length * (PANEL_HEIGHT + GAP_Y) + MARGIN / 2;
  const svg = new SvgDrawing(width, height, chart.title);
  svg.text(MARGIN, 32, chart.title, { style: "title" });
  svg.text(MARGIN, 50, chart.note, { style: "faint" });
  drawLegend(svg, chart);
  columns.forEach((name, column) => {
    svg.text(panelX(column), TOP - 14, name, { style: "heading" });
    const limit = niceLimit(
      Math.max(...rows.flatMap(({ panels }) => valuesOf(panels[column]))),
    );
    rows.forEach(({ label, panels }, row) => {
      const y = TOP + row * (PANEL_HEIGHT + GAP_Y);
      if (column === 0) {
        svg.text(MARGIN, y + PANEL_HEIGHT / 2, label, { style: "heading" });
      }
      drawPanel(svg, panels[column], panelX(column), y, limit);
    });
  });
  return svg.toString();
}

function panelX(column: number): number {
  return MARGIN + LABEL_WIDTH + GAP_X * 0.7 + column * (PANEL_WIDTH + GAP_X);
}

function drawLegend(svg: SvgDrawing, { series, ceiling }: PanelChart): void {
  let x = MARGIN;
  const advance = (name: string) => x += 30 + name.length * 7;
  series.forEach((name, i) => {
    svg.rect(x, 64, 12, 12, `series${i}`);
    svg.text(x + 18, 74, name);
    advance(name);
  });
  if (ceiling === undefined) return;
  svg.line(x, 70, x + 24, 70, "ceiling");
  svg.text(x + 30, 74, ceiling);
}

function drawPanel(
  svg: SvgDrawing,
  { groups }: Panel,
  x: number,
  y: number,
  limit: number,
): void {
  const bottom = y + PANEL_HEIGHT;
  const yOf = (value: number) => bottom - value / limit * PANEL_HEIGHT;
  for (const share of [0.25, 0.5, 0.75, 1]) {
    const at = yOf(limit * share);
    svg.line(x, at, x + PANEL_WIDTH, at, "grid");
    svg.text(
      x - 6,
      at + 4,
      axisNumber(limit * share),
      {
        style: "faint",
        anchor: "end",
      },
    );
  }
  const groupWidth = PANEL_WIDTH / groups.length;
  groups.forEach(({ label, bars, ceiling }, i) => {
    const left = x + i * groupWidth;
    const barWidth = groupWidth * BARS_SHARE / bars.length;
    bars.forEach((bar, series) => {
      if (bar === undefined) return;
      const barX = left + groupWidth * (1 - BARS_SHARE) / 2 + series * barWidth;
      const top = yOf(bar.median);
      svg.rect(barX, top, barWidth - 1, bottom - top, `series${series}`);
      const middle = barX + (barWidth - 1) / 2;
      svg.line(middle, yOf(bar.min), middle, yOf(bar.max), "mark");
    });
    if (ceiling !== undefined) {
      const at = yOf(ceiling);
      svg.line(left + 2, at, left + groupWidth - 2, at, "ceiling");
    }
    linesOf(label, groupWidth).forEach((line, i) =>
      svg.text(left + groupWidth / 2, bottom + 16 + i * LINE_HEIGHT, line, {
        style: "faint",
        anchor: "middle",
      })
    );
  });
  svg.line(x, bottom, x + PANEL_WIDTH, bottom, "axis");
}

/** Breaks a label where it would run into the next one. */
function linesOf(label: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of label.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    const fits = lines.length > 0 && longer.length * LETTER_WIDTH <= width;
    if (fits) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function valuesOf({ groups }: Panel): number[] {
  return groups.flatMap(({ bars, ceiling = 0 }) => [
    ceiling,
    ...bars.map((bar) => bar?.max ?? 0),
  ]);
}
