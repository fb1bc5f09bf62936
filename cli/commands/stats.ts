import type { StoreStats } from "../../engine/engine.ts";
import type { ServerStats } from "../../monitor/server_stats.ts";
import { parseCommandArgs } from "../args.ts";
import type { Command } from "../command.ts";
import { writeText } from "../output.ts";
import { type DirectoryStats, statsText } from "../stats_text.ts";
import {
  SOURCE_HELP,
  SOURCE_SWITCHES,
  TARGET_FLAGS,
  withSource,
} from "../target.ts";

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
    return writeText(statsText(found));
  },
};
