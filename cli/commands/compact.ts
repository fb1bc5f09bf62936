import type { CompactionReport } from "../../engine/engine.ts";
import { parseCommandArgs } from "../args.ts";
import { formatBytes } from "../bytes.ts";
import type { Command } from "../command.ts";
import { writeText } from "../output.ts";
import { formatBytesProgress, withProgress } from "../progress.ts";
import {
  type Target,
  TARGET_FLAGS,
  TARGET_HELP,
  TARGET_SWITCHES,
  withTarget,
} from "../target.ts";

/** `kvs compact`. */
export const compact: Command = {
  help: `Gives the space of overwritten and removed values back to the disk.

Usage: kvs compact [OPTIONS]

Options:
${TARGET_HELP}  --json            print {"bytesBefore":…,"bytesAfter":…}
  -h, --help        show this help

Examples:
  kvs compact
  kvs compact --dir ./data
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: TARGET_FLAGS, switches: [...TARGET_SWITCHES, "json"] },
      [],
    );
    const report = await withTarget(parsed, compactWithProgress);
    if (parsed.has("json")) return writeText(`${JSON.stringify(report)}\n`);
    const { bytesBefore, bytesAfter } = report;
    const reclaimed = formatBytes(Math.max(0, bytesBefore - bytesAfter));
    return writeText(
      `Reclaimed ${reclaimed}: ${formatBytes(bytesBefore)} before, ${
        formatBytes(bytesAfter)
      } now\n`,
    );
  },
};

async function compactWithProgress(target: Target): Promise<CompactionReport> {
  // A server does not tell how far it is.
  if ("scanPage" in target) return await target.compact();
  return await withProgress(
    (progress) =>
      target.compact((doneBytes, totalBytes) => {
        progress.done = doneBytes;
        progress.total = totalBytes;
      }),
    undefined,
    formatBytesProgress,
  );
}
