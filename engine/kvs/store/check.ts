/**
 * Checking the files of a store, and repairing what can be.
 *
 * @module
 */

import { fileExists, removeIfExists, syncDirectory } from "../../files.ts";
import { SegmentAppender } from "../log/appender.ts";
import { buildHint, entryCount, hintPath, removeHint } from "../log/hint.ts";
import {
  type Damage,
  listSegments,
  type RecordVisitor,
  type ScanResult,
  scanSegment,
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../log/segment.ts";
import { checkpointDamage, removeCheckpoint } from "./checkpoint.ts";

/** Where {@linkcode repairStore} sets damaged segments aside. */
const DAMAGED_DIRECTORY = "damaged";

/** What {@linkcode checkStore} found. */
export interface CheckReport {
  /** The number of segments. */
  readonly segments: number;
  /** The number of sound records, dead ones and tombstones included. */
  readonly records: number;
  /** The size of the log in bytes. */
  readonly sizeBytes: number;
  /** What is not as it was written. */
  readonly damage: readonly Damage[];
  /**
   * The unfinished write that a crash left at the end of the newest segment,
   * which the next opening cuts off: no damage, for it was not acknowledged.
   */
  readonly unfinished: Damage | undefined;
}

/**
 * Reads every record, every hint and the checkpoint of a store, and changes
 * nothing.
 *
 * @param directory The data directory, locked by the caller.
 * @returns What was found.
 */
export function checkStore(directory: string): CheckReport {
  const steps = checkSteps(directory);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** How far a check is. */
export interface CheckProgress {
  /** How many of the log's bytes are checked. */
  readonly doneBytes: number;
  /** How many there are. */
  readonly totalBytes: number;
}

/**
 * Does as {@linkcode checkStore} in steps, so that something else can be done
 * in between.
 *
 * @param directory The data directory, locked by the caller.
 * @returns How far it is after each segment, and at last what was found.
 */
export function* checkSteps(
  directory: string,
): Generator<CheckProgress, CheckReport, void> {
  const ids = listSegments(directory);
  const sizeBytes = ids.reduce(
    (sum, id) => sum + Deno.statSync(segmentPath(directory, id)).size,
    0,
  );
  const damage: Damage[] = [];
  let unfinished: Damage | undefined;
  let records = 0;
  let doneBytes = 0;
  let sequenceBefore = 0;
  for (const id of ids) {
    const path = segmentPath(directory, id);
    // What the hint file should be tells the records as well.
    const { scan, hint } = buildHint(directory, id, sequenceBefore);
    sequenceBefore = Math.max(sequenceBefore, scan.maxSequence);
    records += entryCount(hint);
    damage.push(...scan.damage);
    if (scan.tailOffset < scan.sizeBytes) {
      const tail = {
        path,
        offset: scan.tailOffset,
        length: scan.sizeBytes - scan.tailOffset,
        reason: "unfinished write at the end",
      };
      if (id === ids[ids.length - 1]) unfinished = tail;
      else damage.push(tail);
    }
    damage.push(...hintDamage(hintPath(directory, id), hint));
    doneBytes += scan.sizeBytes;
    yield { doneBytes, totalBytes: sizeBytes };
  }
  damage.push(...checkpointDamage(directory));
  return { segments: ids.length, records, sizeBytes, damage, unfinished };
}

function hintDamage(path: string, expected: Uint8Array): Damage[] {
  if (!fileExists(path)) return [];
  const found = Deno.readFileSync(path);
  const length = Math.min(found.length, expected.length);
  let offset = 0;
  while (offset < length && found[offset] === expected[offset]) offset++;
  if (offset === found.length && offset === expected.length) return [];
  const reason = "hint file does not agree with its segment";
  return [{ path, offset, length: found.length - offset, reason }];
}

/**
 * Repairs a store: of each damaged segment the sound records are copied to a
 * new one, and the damaged file is moved to the directory `damaged` inside the
 * data directory. Damaged hint files and checkpoints are removed, they are made
 * anew from the log.
 *
 * A key whose newest record was damaged has, after that, the newest sound
 * value there is of it, or none.
 *
 * @param directory The data directory, locked by the caller.
 * @param report What {@linkcode checkStore} found there.
 * @returns The paths of the segments that were set aside.
 */
export function repairStore(
  directory: string,
  report: CheckReport,
): string[] {
  if (report.damage.length === 0) return [];
  const damaged = new Set(report.damage.map(({ path }) => path));
  const ids = listSegments(directory);
  let newest = ids[ids.length - 1] ?? 0;
  removeCheckpoint(directory);
  const setAside: string[] = [];
  let sequenceBefore = 0;
  const isAnyDamaged = ids.some((id) =>
    damaged.has(segmentPath(directory, id))
  );
  // Only the newest segment may have an unfinished end, and copies are newer.
  if (isAnyDamaged && report.unfinished !== undefined) {
    damaged.add(report.unfinished.path);
  }
  const last = ids.findLast((id) => damaged.has(segmentPath(directory, id)));
  for (const id of ids) {
    const path = segmentPath(directory, id);
    if (damaged.has(hintPath(directory, id))) removeHint(directory, id);
    if (last === undefined || id > last) continue;
    const { maxSequence } = damaged.has(path)
      // The copy is whole and on disk before the original goes; until then the
      // equal sequence numbers tell that they are the same records.
      ? copySoundRecords(directory, id, ++newest, sequenceBefore)
      : scanSegment(path, id, () => {}, { sequenceBefore });
    sequenceBefore = Math.max(sequenceBefore, maxSequence);
    if (!damaged.has(path)) continue;
    removeHint(directory, id);
    const aside = moveAside(directory, id);
    syncDirectory(`${directory}/${DAMAGED_DIRECTORY}`);
    syncDirectory(directory);
    setAside.push(aside);
  }
  return setAside;
}

/** Moves a segment to where no earlier one of its name is. */
function moveAside(directory: string, id: number): string {
  const parent = `${directory}/${DAMAGED_DIRECTORY}`;
  Deno.mkdirSync(parent, { recursive: true, mode: 0o700 });
  let aside = `${parent}/${id}.log`;
  for (let n = 2; fileExists(aside); n++) aside = `${parent}/${id}-${n}.log`;
  Deno.renameSync(segmentPath(directory, id), aside);
  return aside;
}

function copySoundRecords(
  directory: string,
  from: number,
  to: number,
  sequenceBefore: number,
): ScanResult {
  using copies = new SegmentAppender(directory);
  copies.begin(to);
  let sizeBytes = SEGMENT_HEADER_BYTES;
  const visit: RecordVisitor = (_header, _offset, record, sound) => {
    if (!sound) return;
    copies.append(to, sizeBytes, record);
    sizeBytes += record.length;
  };
  const path = segmentPath(directory, from);
  const scan = scanSegment(path, from, visit, { sequenceBefore });
  if (sizeBytes === SEGMENT_HEADER_BYTES) {
    removeIfExists(segmentPath(directory, to));
    return scan;
  }
  copies.sync();
  syncDirectory(directory);
  return scan;
}
