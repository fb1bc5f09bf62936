/**
 * Prometheus's text format, read as strictly as its description has it.
 *
 * @module
 */

/** A metric of a page. */
export interface Metric {
  readonly type: string;
  readonly help: string;
  /** The samples, by name and labels as they are spelled. */
  readonly samples: ReadonlyMap<string, number>;
}

const HELP = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\n]*)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"/.source;
const SAMPLE = new RegExp(
  `^(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{${LABEL}(?:,${LABEL})*\\})?) (\\S+)$`,
);

/**
 * Parses a page.
 *
 * @param page The page.
 * @returns Its metrics by name.
 * @throws {Error} If anything about it is not as it should be.
 */
export function parseExposition(page: string): Map<string, Metric> {
  const metrics = new Map<string, Metric>();
  if (!page.endsWith("\n")) throw new Error("The last line has no end");
  const lines = page.slice(0, -1).split("\n");
  for (let at = 0; at < lines.length;) {
    const [, name, help] = HELP.exec(lines[at]) ?? fail(lines[at]);
    const [, typed, type] = TYPE.exec(lines[at + 1]) ?? fail(lines[at + 1]);
    if (typed !== name || metrics.has(name)) fail(lines[at + 1]);
    const samples = new Map<string, number>();
    for (at += 2; at < lines.length && !lines[at].startsWith("#"); at++) {
      const [, key, sample, text] = SAMPLE.exec(lines[at]) ?? fail(lines[at]);
      const suffix = sample.slice(name.length);
      const isOwn = sample.startsWith(name) &&
        (type === "histogram"
          ? ["_bucket", "_sum", "_count"].includes(suffix)
          : suffix === "");
      const value = Number(text);
      if (!isOwn || samples.has(key) || !Number.isFinite(value)) {
        fail(lines[at]);
      }
      samples.set(key, value);
    }
    if (samples.size === 0) fail(name);
    const metric = { type, help, samples };
    if (type === "histogram") checkHistogram(name, metric);
    metrics.set(name, metric);
  }
  return metrics;
}

/** Buckets must go up to all of them, and end in the count. */
function checkHistogram(name: string, { samples }: Metric): void {
  const series = new Map<string, { le: number; count: number }[]>();
  for (const [key, count] of samples) {
    const bucket = /^\w+_bucket\{(.*),le="(.*)"\}$/.exec(key);
    if (bucket === null) continue;
    const [, labels, bound] = bucket;
    const le = bound === "+Inf" ? Infinity : Number(bound);
    const buckets = series.get(labels) ?? [];
    const last = buckets.at(-1);
    if (last && !(le > last.le && count >= last.count)) fail(key);
    series.set(labels, [...buckets, { le, count }]);
  }
  if (series.size === 0) fail(name);
  for (const [labels, buckets] of series) {
    const { le, count } = buckets.at(-1)!;
    if (le !== Infinity) fail(labels);
    if (samples.get(`${name}_count{${labels}}`) !== count) fail(labels);
    if (samples.get(`${name}_sum{${labels}}`) === undefined) fail(labels);
  }
}

function fail(line: string): never {
  throw new Error(`Not as it should be: ${line}`);
}
