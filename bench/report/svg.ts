/**
 * Drawings that are read on light and on dark pages.
 *
 * @module
 */

/** The classes that shapes and texts may have, and their colours. */
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2933; }
  .title { font-size: 15px; font-weight: 600; }
  .heading { font-weight: 600; }
  .faint { fill: #5b6770; font-size: 11px; }
  .page { fill: #ffffff; }
  .grid { stroke: #d9dee3; }
  .axis { stroke: #7b8794; }
  .mark { stroke: #1f2933; stroke-width: 1.5; }
  .ceiling { stroke: #c2335a; stroke-width: 1.5; stroke-dasharray: 5 3; }
  .line0, .line1, .line2 { fill: none; stroke-width: 1.5; }
  .line0 { stroke: #3b75c4; }
  .line1 { stroke: #e08a3c; }
  .line2 { stroke: #3c9d78; }
  .series0 { fill: #3b75c4; }
  .series1 { fill: #e08a3c; }
  .series2 { fill: #3c9d78; }
  .series3 { fill: #8b6bb8; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; }
    .faint { fill: #9aa5b1; }
    .page { fill: #14191f; }
    .grid { stroke: #2c353f; }
    .axis { stroke: #7b8794; }
    .mark { stroke: #e4e7eb; }
    .ceiling { stroke: #f0718f; }
    .line0 { stroke: #6ba3ee; }
    .line1 { stroke: #f0a35e; }
    .line2 { stroke: #5cc49a; }
    .series0 { fill: #6ba3ee; }
    .series1 { fill: #f0a35e; }
    .series2 { fill: #5cc49a; }
    .series3 { fill: #b196dd; }
  }
`;

/** How a text stands to its position. */
export type Anchor = "start" | "middle" | "end";

/** An SVG drawing, filled from the back to the front. */
export class SvgDrawing {
  readonly #width: number;
  readonly #height: number;
  readonly #title: string;
  readonly #shapes: string[] = [];

  /**
   * @param width Its width, in pixels.
   * @param height Its height, in pixels.
   * @param title What it shows, for who can't see it.
   */
  constructor(width: number, height: number, title: string) {
    this.#width = width;
    this.#height = height;
    this.#title = title;
    this.rect(0, 0, width, height, "page");
  }

  /** Draws a rectangle. */
  rect(
    x: number,
    y: number,
    width: number,
    height: number,
    style: string,
  ): void {
    const [left, top, wide, high] = [x, y, width, height].map(short);
    this.#shapes.push(
      `<rect class="${style}" x="${left}" y="${top}" width="${wide}" height="${high}"/>`,
    );
  }

  /** Draws a line. */
  line(x1: number, y1: number, x2: number, y2: number, style: string): void {
    const [fromX, fromY, toX, toY] = [x1, y1, x2, y2].map(short);
    this.#shapes.push(
      `<line class="${style}" x1="${fromX}" y1="${fromY}" x2="${toX}" y2="${toY}"/>`,
    );
  }

  /** Draws lines from point to point. */
  path(
    points: readonly (readonly [x: number, y: number])[],
    style: string,
  ): void {
    const spelled = points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
    this.#shapes.push(`<polyline class="${style}" points="${spelled}"/>`);
  }

  /** Writes a line of text; `y` is its base line. */
  text(
    x: number,
    y: number,
    text: string,
    { style = "label", anchor = "start" as Anchor } = {},
  ): void {
    this.#shapes.push(
      `<text class="${style}" x="${short(x)}" y="${short(y)}" ` +
        `text-anchor="${anchor}">${escape(text)}</text>`,
    );
  }

  /** The drawing as a document. */
  toString(): string {
    const size = `${this.#width} ${this.#height}`;
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" ` +
      `width="${this.#width}" height="${this.#height}" role="img">\n` +
      `<title>${escape(this.#title)}</title>\n<style>${STYLE}</style>\n` +
      `${this.#shapes.join("\n")}\n</svg>\n`;
  }
}

function short(value: number): string {
  return String(Number(value.toFixed(1)));
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
