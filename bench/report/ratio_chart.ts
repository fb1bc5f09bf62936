/**
 * A chart of ratios: how far each lies above or below one.
 *
 * @module
 */

import { SvgDrawing } from "./svg.ts";

/** One ratio. */
export interface RatioBar {
  readonly label: string;
  /** The ratio; more than 1 is better. */
  readonly ratio: number;
  /** What it is to be at least, if that was said. */
  readonly aim?: number;
}

/** A chart of ratios. */
export interface RatioChart {
  readonly title: string;
  /** A line below the title. */
  readonly note: string;
  readonly bars: readonly RatioBar[];
}

const MARGIN = 24;
const LABEL_WIDTH = 330;
const PLOT_WIDTH = 480;
const VALUE_WIDTH = 70;
const ROW_HEIGHT = 24;
const BAR_HEIGHT = 14;
const TOP = 100;

/** Powers of two at the ends of the axis, at least. */
const MIN_POWER = -2;
const MAX_POWER = 3;

/** Draws a chart, its axis logarithmic: twice and half are as far from one. */
export function drawRatios({ title, note, bars }: RatioChart): string {
  const width = MARGIN * 2 + LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH;
  const bottom = TOP + bars.length * ROW_HEIGHT;
  const svg = new SvgDrawing(width, bottom + 30, title);
  svg.text(MARGIN, 32, title, { style: "title" });
  svg.text(MARGIN, 50, note, { style: "faint" });
  svg.rect(MARGIN, 62, 12, 12, "series2");
  svg.text(MARGIN + 18, 72, "ahead");
  svg.rect(MARGIN + 80, 62, 12, 12, "series1");
  svg.text(MARGIN + 98, 72, "behind");
  svg.line(MARGIN + 170, 62, MARGIN + 170, 75, "ceiling");
  svg.text(MARGIN + 178, 72, "aim");
  const powers = bars.map(({ ratio }) => Math.log2(ratio));
  const from = Math.min(MIN_POWER, Math.floor(Math.min(...powers)));
  const to = Math.max(MAX_POWER, Math.ceil(Math.max(...powers)));
  const left = MARGIN + LABEL_WIDTH;
  const xOf = (ratio: number) =>
    left + (Math.log2(ratio) - from) / (to - from) * PLOT_WIDTH;
  for (let power = from; power <= to; power++) {
    const x = xOf(2 ** power);
    svg.line(x, TOP - 8, x, bottom, power === 0 ? "axis" : "grid");
    const name = power < 0 ? `1/${2 ** -power}` : `${2 ** power}`;
    svg.text(x, TOP - 12, name, { style: "faint", anchor: "middle" });
  }
  bars.forEach(({ label, ratio, aim }, i) => {
    const y = TOP + i * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2;
    const base = y + BAR_HEIGHT - 3;
    svg.text(left - 10, base, label, { anchor: "end" });
    const [a, b] = [xOf(1), xOf(ratio)].sort((x, y) => x - y);
    svg.rect(
      a,
      y,
      Math.max(1, b - a),
      BAR_HEIGHT,
      ratio < 1 ? "series1" : "series2",
    );
    if (aim !== undefined) {
      const x = xOf(aim);
      svg.line(x, y - 3, x, y + BAR_HEIGHT + 3, "ceiling");
    }
    svg.text(left + PLOT_WIDTH + 10, base, `${ratio.toPrecision(3)} ×`);
  });
  return svg.toString();
}
