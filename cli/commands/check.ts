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
import type { Command, Flags } from "../command.ts";
import { UsageError } from "../errors.ts";
import { counted, formatBytes } from "../format.ts";
import { writeText } from "../output.ts";
import {
  formatBytesProgress,
  type Progress,
  withProgress,
} from "../progress.ts";

const FLAGS = {
  dir: {
    argument: "DIR",
    help: "the data directory, required; no server may have it open",
  },
  repair: {
    help: "keep what is sound, and set damaged segments aside in DIR/damaged",
  },
  json: {
    help: 'print {"segments":…,"records":…,"sizeBytes":…,"damage":[…],…}',
  },
} satisfies Flags;

/** `kvs check`. */
export const check: Command<typeof FLAGS> = {
  description:
    `Verifies every record and hint file of a data directory of engine kvs.

Prints each damaged place with its file and offset, and exits with 1 if there is any. The unfinished write that a crash leaves at the end of the newest segment is not damage: the next opening cuts it off.`,
  flags: FLAGS,
  examples: [
    "kvs check --dir ./data",
    "kvs check --dir ./data --repair",
  ],
  async run({ dir, repair, json }) {
    if (dir === undefined) throw new UsageError("--dir DIR is missing");
    using directory = lock(dir, repair);
    const path = directory?.path ?? findStore(dir, "kvs").path;
    const report = await checkWithProgress(path);
    const setAside = repair ? repairStore(path, report) : [];
    writeText(
      json
        ? `${JSON.stringify({ ...report, setAside })}\n`
        : describe(report, setAside, repair),
    );
    return report.damage.length === 0 ? 0 : 1;
  },
};

/** Locks a directory, unless it is on a read-only file system. */
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
      // Lets the timer draw.
      await setImmediate();
    }
  };
  return await withProgress(run, { isShown, format: formatBytesProgress });
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
