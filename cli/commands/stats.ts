import type { StoreStats } from "../../engine/engine.ts";
import type { LatencyStats, ServerStats } from "../../protocol/server_stats.ts";
import type { Command } from "../command.ts";
import { counted, formatBytes } from "../format.ts";
import { writeText } from "../output.ts";
import type { DirectoryStats } from "../target.ts";
import { SOURCE_FLAGS, withSource } from "../target_flags.ts";

const FLAGS = {
  ...SOURCE_FLAGS,
  json: { help: "print all of it as one JSON object" },
};

/** `kvs stats`. */
export const stats: Command<typeof FLAGS> = {
  description:
    `Shows what a server has done since it started, and the state of its store.

Latency is the time that a Worker spends on a request, without the network and the wait for a Worker. With --dir there is only the state of the store.`,
  flags: FLAGS,
  examples: [
    "kvs stats",
    "kvs stats --json --addr 127.0.0.1:4001",
    "kvs stats --dir ./data",
  ],
  async run(flags) {
    const found = await withSource(flags, (source) => source.stats());
    return writeText(
      flags.json ? `${JSON.stringify(found)}\n` : statsText(found),
    );
  },
};

/** Spells statistics out for people, a line for each row. */
export function statsText(found: ServerStats | DirectoryStats): string {
  const rows = "version" in found
    ? serverRows(found)
    : [["store", found.store.engine] as const, ...storeRows(found.store)];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join(
    "",
  );
}

type Row = readonly [name: string, text: string];

function serverRows(stats: ServerStats): Row[] {
  const { store, memory, connections, operations, latency } = stats;
  const { invalid, ...kinds } = operations;
  return [
    ["server", `kvs ${stats.version}, up ${formatSpan(stats.uptimeMs)}`],
    ["pool", poolText(stats)],
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

function poolText({ pool, threads, workers }: ServerStats): string {
  let text = `${pool}, ${counted(threads, "thread")}`;
  if (workers !== undefined && workers.died > 0) {
    text += `; ${counted(workers.died, "Worker")} died, ${workers.down} down`;
  }
  return text;
}

function storeRows(store: Omit<StoreStats, "sync">): Row[] {
  const { diskBytes, keys, liveBytes, deadBytes, segments } = store;
  const { indexUsedBytes, indexLimitBytes, writesRefused } = store;
  const rows: Row[] = [];
  if (writesRefused !== undefined) {
    rows.push(["writes", `refused: ${writesRefused}`]);
  }
  if (keys !== undefined) rows.push(["keys", `${keys}`]);
  let disk = formatBytes(diskBytes);
  if (liveBytes !== undefined && deadBytes !== undefined) {
    disk += `: ${formatBytes(liveBytes)} live, ${formatBytes(deadBytes)} dead`;
  }
  if (segments !== undefined) disk += `, in ${counted(segments, "segment")}`;
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
