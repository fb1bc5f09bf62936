/**
 * Where results go.
 *
 * @module
 */

const RESULTS = new URL("../results/", import.meta.url);
const DOCS = new URL("../../docs/", import.meta.url);

/** The results of one benchmark. */
export interface Results {
  /** Its name, of which the names of files are made. */
  readonly name: string;
  /** Whether they are for the repository, or for who made them. */
  readonly isPublic: boolean;
  /** What was measured, an object a line. */
  readonly lines: readonly unknown[];
  /** A chart of it, as SVG. */
  readonly chart: string;
  /** Tables of it, as Markdown. */
  readonly section: string;
}

/**
 * Writes results to files, and says where. Public ones replace the committed
 * results, the chart in `docs/`, and the generated part of
 * `docs/benchmarks.md`.
 */
export function publish(
  { name, isPublic, lines, chart, section }: Results,
): void {
  const resultsDir = isPublic ? RESULTS : new URL("local/", RESULTS);
  const chartsDir = isPublic ? DOCS : resultsDir;
  Deno.mkdirSync(resultsDir, { recursive: true });
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  write(new URL(`${name}.jsonl`, resultsDir), text);
  write(new URL(`bench_${name}.svg`, chartsDir), chart);
  if (!isPublic) return;
  const document = new URL("benchmarks.md", DOCS);
  const old = Deno.readTextFileSync(document);
  write(document, replaceSection(old, name, section));
}

/** Replaces what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. */
export function replaceSection(
  text: string,
  name: string,
  content: string,
): string {
  const begin = `<!-- begin ${name} -->\n`;
  const end = `<!-- end ${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) {
    throw new Error(`Cannot write section "${name}": the document has none`);
  }
  return `${text.slice(0, from + begin.length)}\n${content.trim()}\n\n${
    text.slice(to)
  }`;
}

function write(path: URL, text: string): void {
  Deno.writeTextFileSync(path, text);
  console.error(`wrote ${decodeURIComponent(path.pathname)}`);
}
