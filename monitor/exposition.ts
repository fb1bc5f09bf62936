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
  /** What follows the metric's name. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels?: Readonly<Record<string, string>>;
  /** The sample is left out where it is not known. */
  readonly value: number | undefined;
}

/** Writes a reading in Prometheus's text format, without keys or values. */
export function exposition(reading: Reading): string {
  const { handle, store, totals } = reading;
  const { connections, operations, ...stats } = statsOf(reading);
  const gauge = (name: string, help: string, value: number | undefined) =>
    metric(name, "gauge", help, [{ value }]);
  const counter = (name: string, help: string, value: number) =>
    metric(name, "counter", help, [{ value }]);
  return [
    metric(
      "kvs_info",
      "gauge",
      "Version, engine, sync mode and pool of the server; always 1.",
      [{
        labels: {
          version: VERSION,
          engine: store.engine,
          sync: store.sync,
          pool: handle.pool,
        },
        value: 1,
      }],
    ),
    gauge(
      "kvs_start_time_seconds",
      "Start time of the server, in seconds since 1970.",
      handle.startedMs / 1e3,
    ),
    gauge("kvs_threads", "Configured Workers of the pool.", handle.threads),
    gauge(
      "kvs_workers_down",
      "Workers that died and have not been replaced yet.",
      stats.workers?.down,
    ),
    counter(
      "kvs_worker_deaths_total",
      "Workers that have died.",
      totals.counts.deaths,
    ),
    gauge(
      "kvs_writes_refused",
      "1 if the store refuses writes, 0 otherwise.",
      store.writesRefused === undefined ? 0 : 1,
    ),
    gauge("kvs_keys", "Keys in the index.", store.keys),
    gauge("kvs_segments", "Segment files of the log.", store.segments),
    gauge("kvs_disk_bytes", "Size of the data on disk.", store.diskBytes),
    gauge(
      "kvs_live_bytes",
      "Size of the live data on disk.",
      store.liveBytes,
    ),
    gauge(
      "kvs_dead_bytes",
      "Size of the overwritten or removed data on disk.",
      store.deadBytes,
    ),
    gauge(
      "kvs_index_used_bytes",
      "Memory used by the index.",
      store.indexUsedBytes,
    ),
    gauge(
      "kvs_index_limit_bytes",
      "Memory limit of the index.",
      store.indexLimitBytes,
    ),
    gauge(
      "kvs_resident_memory_bytes",
      "Resident memory of the process.",
      reading.rssBytes,
    ),
    gauge(
      "kvs_buffer_bytes",
      "Memory of unfinished requests and unread answers, beyond 256 KiB per connection.",
      reading.bufferBytes,
    ),
    gauge("kvs_connections", "Open connections.", connections.open),
    counter(
      "kvs_connections_accepted_total",
      "Connections accepted.",
      connections.total,
    ),
    counter(
      "kvs_connections_refused_total",
      "Connections refused since there were too many.",
      connections.refused,
    ),
    metric(
      "kvs_requests_total",
      "counter",
      "Requests answered, by kind.",
      Object.entries(operations).map(([kind, value]) => ({
        labels: { kind },
        value,
      })),
    ),
    counter(
      "kvs_request_errors_total",
      "Requests answered with an error.",
      stats.errors,
    ),
    counter(
      "kvs_requests_denied_total",
      "Requests refused since the client had not shown the token.",
      stats.denied,
    ),
    metric(
      "kvs_request_duration_seconds",
      "histogram",
      "Time that requests took in a Worker, by kind.",
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
