/**
 * What is known of a server in Prometheus's text format.
 *
 * @module
 */

import { VERSION } from "../version.ts";
import type { Timing } from "./counters.ts";
import { type Reading, statsOf } from "./monitor.ts";

/** The media type of an {@linkcode exposition}. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Bounds of durations: powers of two of tenths of a microsecond, from 6.4 µs
 * to 13.4 s.
 */
const MIN_POWER = 6;
const MAX_POWER = 27;

/** One line of a metric. */
interface Sample {
  /** What stands behind the metric's name. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels?: Readonly<Record<string, string>>;
  /** Nothing is said where it is not known. */
  readonly value: number | undefined;
}

/**
 * Spells a reading out for Prometheus.
 *
 * @param reading What is known of the server.
 * @returns The page; it has no keys or values in it.
 */
export function exposition(reading: Reading): string {
  const { handle, store, totals } = reading;
  const { connections, operations, ...stats } = statsOf(reading);
  const gauge = (name: string, help: string, value: number | undefined) =>
    metric(name, "gauge", help, [{ value }]);
  const counter = (name: string, help: string, value: number) =>
    metric(name, "counter", help, [{ value }]);
  return [
    metric("kvs_info", "gauge", "What runs here; always 1.", [{
      labels: {
        version: VERSION,
        engine: store.engine,
        sync: store.sync,
        pool: handle.pool,
      },
      value: 1,
    }]),
    gauge(
      "kvs_start_time_seconds",
      "When the server started, in seconds since 1970.",
      handle.startedMs / 1e3,
    ),
    gauge("kvs_threads", "Workers of the pool.", handle.threads),
    gauge(
      "kvs_workers_down",
      "Workers that died and are not replaced yet.",
      stats.workers?.down,
    ),
    counter(
      "kvs_worker_deaths_total",
      "Workers that died.",
      totals.counts.deaths,
    ),
    gauge(
      "kvs_writes_refused",
      "Whether writes are refused: 1, else 0.",
      store.writesRefused === undefined ? 0 : 1,
    ),
    gauge("kvs_keys", "Keys in the index.", store.keys),
    gauge("kvs_segments", "Files of the log.", store.segments),
    gauge("kvs_disk_bytes", "What the data takes on disk.", store.diskBytes),
    gauge(
      "kvs_live_bytes",
      "What of the data on disk is not dead.",
      store.liveBytes,
    ),
    gauge(
      "kvs_dead_bytes",
      "What of the data on disk was overwritten or removed.",
      store.deadBytes,
    ),
    gauge(
      "kvs_index_used_bytes",
      "Memory that the index uses.",
      store.indexUsedBytes,
    ),
    gauge(
      "kvs_index_limit_bytes",
      "Memory that the index may use.",
      store.indexLimitBytes,
    ),
    gauge(
      "kvs_resident_memory_bytes",
      "Memory of the process.",
      reading.rssBytes,
    ),
    gauge(
      "kvs_buffer_bytes",
      "What unfinished requests and unread answers take.",
      reading.bufferBytes,
    ),
    gauge("kvs_connections", "Connections now.", connections.open),
    counter(
      "kvs_connections_accepted_total",
      "Connections that were accepted.",
      connections.total,
    ),
    counter(
      "kvs_connections_refused_total",
      "Connections that were one too many.",
      connections.refused,
    ),
    metric(
      "kvs_requests_total",
      "counter",
      "Requests that were answered.",
      Object.entries(operations).map(([kind, value]) => ({
        labels: { kind },
        value,
      })),
    ),
    counter(
      "kvs_request_errors_total",
      "Requests that were answered with an error.",
      stats.errors,
    ),
    counter(
      "kvs_requests_denied_total",
      "Requests without the token, and wrong tokens.",
      stats.denied,
    ),
    metric(
      "kvs_request_duration_seconds",
      "histogram",
      "How long requests were on a Worker's hands.",
      [...samplesOf("get", totals.get), ...samplesOf("set", totals.set)],
    ),
  ].join("");
}

function metric(
  name: string,
  type: "counter" | "gauge" | "histogram",
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.flatMap(({ suffix = "", labels = {}, value }) =>
    value === undefined
      ? []
      : [`${name}${suffix}${spellLabels(labels)} ${value}\n`]
  );
  if (lines.length === 0) return "";
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function spellLabels(labels: Readonly<Record<string, string>>): string {
  // The same that the format escapes, JSON escapes in the same way.
  const pairs = Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function samplesOf(kind: string, { sumS, histogram }: Timing): Sample[] {
  const { total } = histogram;
  const samples: Sample[] = [];
  for (let power = MIN_POWER; power <= MAX_POWER; power++) {
    samples.push({
      suffix: "_bucket",
      labels: { kind, le: `${2 ** power / 1e7}` },
      value: histogram.countBelow(power),
    });
  }
  return [
    ...samples,
    { suffix: "_bucket", labels: { kind, le: "+Inf" }, value: total },
    { suffix: "_sum", labels: { kind }, value: sumS },
    { suffix: "_count", labels: { kind }, value: total },
  ];
}
