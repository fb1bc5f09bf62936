import { setImmediate } from "node:timers/promises";
import {
  DataDirectory,
  findStore,
  isReadOnlyFileSystem,
} from "../../engine/directory.ts";
import {
  type CheckReport,
  checkSteps,
  checkStore,
  repairStore,
} from "../../engine/kvs/store/check.ts";
import { describeDamage } from "../../engine/kvs/log/segment.ts";
import { parseCommandArgs } from "../args.ts";
import { formatBytes } from "../bytes.ts";
import type { Command } from "../command.ts";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import { writeText } from "../output.ts";
import {
  formatBytesProgress,
  type Progress,
  withProgress,
} from "../progress.ts";

/** `kvs check`. */
export const check: Command = {
  help: `Verifies every record and hint file of a data directory of engine kvs.

Usage: kvs check --dir DIR [OPTIONS]

Prints what is not as it was written, with file and offset, and exits with 1 if
there is anything. The unfinished write that a crash leaves at the end of the
newest segment is no damage: the next opening cuts it off.

Options:
  --dir DIR    the data directory; no server may have it open
  --repair     keep what is sound, set damaged segments aside in DIR/damaged
  --json       print {"segments":…,"records":…,"sizeBytes":…,"damage":[…],…}
  -h, --help   show this help

Examples:
  kvs check --dir ./data
  kvs check --dir ./data --repair
`,
  async run(args) {
    const parsed = parseCommandArgs(
      args,
      { values: { dir: undefined }, switches: ["repair", "json"] },
      [],
    );
    const dir = parsed.value("dir");
    if (dir === undefined) throw new UsageError("--dir DIR is missing");
    const isRepair = parsed.has("repair");
    using directory = lock(dir, isRepair);
    const path = directory?.path ?? findStore(dir, "kvs").path;
    const report = await checkWithProgress(path);
    const setAside = isRepair ? repairStore(path, report) : [];
    if (parsed.has("json")) {
      writeText(`${JSON.stringify({ ...report, setAside })}\n`);
    } else {
      writeText(describe(report, setAside, isRepair));
    }
    return report.damage.length === 0 ? 0 : 1;
  },
};

/** Locks a directory, unless nobody can write there. */
function lock(dir: string, isRepair: boolean): DataDirectory | undefined {
  try {
    return DataDirectory.open(dir, { engine: "kvs" });
  } catch (error) {
    if (isRepair || !isReadOnlyFileSystem(error)) throw error;
  }
}

async function checkWithProgress(path: string): Promise<CheckReport> {
  const isShown = Deno.stderr.isTerminal();
  if (!isShown) return checkStore(path);
  const run = async (progress: Progress) => {
    const steps = checkSteps(path);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      progress.done = value.doneBytes;
      progress.total = value.totalBytes;
      // The bar is drawn by a timer.
      await setImmediate();
    }
  };
  return await withProgress(run, isShown, formatBytesProgress);
}

function describe(
  report: CheckReport,
  setAside: readonly string[],
  repaired: boolean,
): string {
  const { segments, records, sizeBytes, damage, unfinished } = report;
  const lines = damage.map(describeDamage);
  if (unfinished !== undefined) lines.push(describeDamage(unfinished));
  lines.push(
    `${counted(records, "sound record")} in ${counted(segments, "segment")}, ${
      formatBytes(sizeBytes)
    }; ${counted(damage.length, "damaged place")}`,
  );
  for (const path of setAside) lines.push(`Set aside: ${path}`);
  if (damage.length > 0 && !repaired) {
    lines.push("Run again with --repair to keep what is sound");
  }
  return lines.map((line) => `${line}\n`).join("");
}
