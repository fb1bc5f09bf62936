import type { StoreStats } from "../engine/engine.ts";
import type { LatencyStats, ServerStats } from "../monitor/server_stats.ts";
import { parseCommandArgs } from "./_args.ts";
import { formatBytes } from "./_bytes.ts";
import type { Command } from "./_command.ts";
import { writeText } from "./_output.ts";
import {
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "./_target.ts";

/** `kvs stats`. */
export const stats: Command = {
  help: `Shows what a server has done and what its store is like.

Usage: kvs stats [OPTIONS]

Counts are since the server started. Latency is the time that a request was on
its hands, without the network and the wait for a Worker. With --dir there is
only the store.

Options:
${SOURCE_HELP}  --json            print all of it as one JSON object
  -h, --help        show this help

Examples:
  kvs stats
  kvs stats --json --addr 127.0.0.1:4001
  kvs stats --dir ./data
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...SOURCE_SWITCHES, "json"] },
      [],
    );
    const found = await withSource<ServerStats | DirectoryStats>(
      parsed,
      async (source) => {
        if ("scanPage" in source) return await source.stats();
        const found: Omit<StoreStats, "sync"> & Partial<StoreStats> =
          await source.stats();
        // Of the server that will open it, not of this look at it.
        const { sync: _, ...store } = found;
        return { store };
      },
    );
    if (parsed.has("json")) return writeText(`${JSON.stringify(found)}\n`);
    const rows = "version" in found
      ? serverRows(found)
      : [["store", found.store.engine] as const, ...storeRows(found.store)];
    const width = Math.max(...rows.map(([name]) => name.length));
    return writeText(
      rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join(""),
    );
  },
};

/** What can be told of a store without a server. */
interface DirectoryStats {
  readonly store: Omit<StoreStats, "sync">;
}

type Row = readonly [name: string, text: string];

function serverRows(stats: ServerStats): Row[] {
  const { store, memory, connections, operations, latency } = stats;
  const { invalid, ...kinds } = operations;
  return [
    ["server", `kvs ${stats.version}, up ${formatSpan(stats.uptimeMs)}`],
    ["pool", `${stats.pool}, ${stats.threads} threads`],
    ["store", `${store.engine}, sync ${store.sync}`],
    ...storeRows(store),
    [
      "memory",
      `${formatBytes(memory.rssBytes)}, of it ${
        formatBytes(memory.bufferBytes)
      } in buffers`,
    ],
    [
      "connections",
      `${connections.open} open, ${connections.total} accepted, ${connections.refused} refused`,
    ],
    [
      "operations",
      Object.entries(kinds).map(([kind, count]) => `${kind} ${count}`)
        .join(", "),
    ],
    [
      "errors",
      `${stats.errors}, of them ${invalid} invalid; ${stats.denied} denied`,
    ],
    ["get latency", formatLatency(latency.get)],
    ["set latency", formatLatency(latency.set)],
  ];
}

function storeRows(store: Omit<StoreStats, "sync">): Row[] {
  const { diskBytes, keys, liveBytes, deadBytes, segments } = store;
  const { indexUsedBytes, indexLimitBytes } = store;
  const rows: Row[] = [];
  if (keys !== undefined) rows.push(["keys", `${keys}`]);
  let disk = formatBytes(diskBytes);
  if (liveBytes !== undefined && deadBytes !== undefined) {
    disk += `: ${formatBytes(liveBytes)} live, ${formatBytes(deadBytes)} dead`;
  }
  if (segments !== undefined) disk += `, in ${segments} segments`;
  rows.push(["disk", disk]);
  if (indexUsedBytes !== undefined && indexLimitBytes !== undefined) {
    const used = formatBytes(indexUsedBytes);
    rows.push(["index", `${used} of ${formatBytes(indexLimitBytes)}`]);
  }
  return rows;
}

function formatLatency(latency: LatencyStats): string {
  const { p50Us, p90Us, p99Us, p999Us, maxUs } = latency;
  return `p50 ${formatUs(p50Us)}, p90 ${formatUs(p90Us)}, p99 ${
    formatUs(p99Us)
  }, p99.9 ${formatUs(p999Us)}, max ${formatUs(maxUs)}`;
}

function formatUs(us: number): string {
  if (us < 1e3) return `${us} µs`;
  return us < 1e6
    ? `${(us / 1e3).toPrecision(3)} ms`
    : `${(us / 1e6).toFixed(1)} s`;
}

const SPANS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]] as const;

/** The two greatest units of a span of time. */
function formatSpan(ms: number): string {
  let left = Math.floor(ms / 1e3);
  const parts: string[] = [];
  for (const [unit, seconds] of SPANS) {
    const count = Math.floor(left / seconds);
    left %= seconds;
    if (count > 0 || parts.length > 0 || seconds === 1) {
      parts.push(`${count} ${unit}`);
    }
  }
  return parts.slice(0, 2).join(" ");
}
