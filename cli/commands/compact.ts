import type { Command } from "../command.ts";
import { formatBytes } from "../format.ts";
import { writeText } from "../output.ts";
import { formatBytesProgress, withProgress } from "../progress.ts";
import { TARGET_FLAGS, withTarget } from "../target_flags.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  json: { help: 'print {"bytesBefore":…,"bytesAfter":…}' },
};

/** `kvs compact`. */
export const compact: Command<typeof FLAGS> = {
  description: "Reclaims the disk space of overwritten and removed values.",
  flags: FLAGS,
  examples: ["kvs compact", "kvs compact --dir ./data"],
  async run(flags) {
    const report = await withTarget(
      flags,
      (target) =>
        withProgress((progress) =>
          target.compact((doneBytes, totalBytes) => {
            progress.done = doneBytes;
            progress.total = totalBytes;
          }), {
          isShown: target.reportsProgress && Deno.stderr.isTerminal(),
          format: formatBytesProgress,
        }),
    );
    if (flags.json) return writeText(`${JSON.stringify(report)}\n`);
    const { bytesBefore, bytesAfter } = report;
    const reclaimed = formatBytes(Math.max(0, bytesBefore - bytesAfter));
    return writeText(
      `Reclaimed ${reclaimed}: ${formatBytes(bytesBefore)} before, ${
        formatBytes(bytesAfter)
      } now\n`,
    );
  },
};
