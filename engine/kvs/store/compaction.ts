/**
 * Compaction: copying what is live out of a segment, so that the segment can
 * go (Bitcask calls it merge).
 *
 * @module
 */

import type { CompactionProgress, CompactionReport } from "../../engine.ts";
import {
  type CompactionContext,
  CompactionOutput,
} from "./compaction_output.ts";
import type { Log } from "../log/log.ts";
import { writeHint } from "../log/hint.ts";
import { emptyPointer } from "../index/log_pointer.ts";
import { RECORD_HEADER_BYTES, type RecordHeader } from "../log/record.ts";
import { CorruptionError } from "../../errors.ts";
import { isRecordAt, scanSegment, segmentPath } from "../log/segment.ts";
import {
  DAMAGED,
  HELD,
  HINTED,
  SEALED,
  type SegmentState,
} from "../log/segment_table.ts";
import { removeCheckpoint } from "./checkpoint.ts";

/** So many segments at most are without a hint file: an opening reads them. */
const MAX_SPARED_HINTS = 2;

/** Which segments a compaction takes. */
export type CompactionScope =
  /** Every segment that has anything to give back, the active one too. */
  | "all"
  /** Only segments that are half dead or more. */
  | "worthwhile"
  /** None; sealed segments get their hint files, as they do in any case. */
  | "hints";

/**
 * Compacts a store while readers and writers go on. Runs synchronously, so in
 * a Worker of its own; one at a time.
 *
 * Segments are taken one by one, so that the extra space on disk is about one
 * segment. A crash at any point leaves each live record in at least one
 * segment: the copy is on disk before the original goes, and equal sequence
 * numbers tell that they are the same.
 *
 * @param context The store.
 * @param scope Which segments to take.
 * @param onProgress Told after each piece of work.
 * @returns The size of the log before and after.
 * @throws {CorruptionError} If a segment is not sound: it stays as it is, and
 * the others have been compacted.
 * @throws {WritesRefusedError} If a failure made it unsafe to write.
 */
export function compact(
  context: CompactionContext,
  scope: CompactionScope,
  onProgress: CompactionProgress = () => {},
): CompactionReport {
  const { log } = context;
  log.assertWritable();
  const segments = log.list();
  const bytesBefore = totalBytes(segments);
  // Segments that come to be meanwhile are for the next compaction.
  const known = new Set(segments.map((segment) => segment.id));
  /** By file id; 0 stands for the sealing of the active segment. */
  const failures = new Map<number, unknown>();
  let isSealed = scope !== "all";
  // A full disk fails the one step and not the other: the segments that went
  // have made room for what failed the first time.
  for (let tries = 0; tries < 2; tries++) {
    try {
      if (!isSealed) sealActive(log);
      isSealed = true;
      failures.delete(0);
    } catch (error) {
      failures.set(0, error);
    }
    compactSegments(context, scope, known, failures, onProgress);
    if (failures.size === 0 || log.refusal.isSet) break;
  }
  const [failure] = failures.values();
  if (failure === undefined || failure instanceof CorruptionError) {
    writeHints(context);
  }
  if (failure !== undefined) throw failure;
  return { bytesBefore, bytesAfter: totalBytes(log.list()) };
}

/**
 * Compacts segments one by one.
 *
 * @param known The file ids that count. Those that are dealt with are taken
 * out, those that may be tried again stay.
 * @param failures The failure of each segment; what succeeds is taken out.
 */
function compactSegments(
  context: CompactionContext,
  scope: CompactionScope,
  known: Set<number>,
  failures: Map<number, unknown>,
  onProgress: CompactionProgress,
): void {
  const { log, state } = context;
  using output = new CompactionOutput(context);
  const again: number[] = [];
  let left = totalBytes(candidates(log.list(), scope, known));
  let done = 0;
  for (;;) {
    const [next] = candidates(log.list(), scope, known);
    if (next === undefined || state.stops) break;
    known.delete(next.id);
    left = Math.max(left, next.sizeBytes);
    const base = done;
    try {
      compactSegment(context, next, output, (bytes) => {
        onProgress(base + bytes, base + left);
      });
      failures.delete(next.id);
    } catch (error) {
      failures.set(next.id, error);
      if (log.refusal.isSet) break;
      if (!(error instanceof CorruptionError)) {
        output.abandon();
        again.push(next.id);
      }
    }
    done += next.sizeBytes;
    left -= next.sizeBytes;
  }
  for (const id of again) known.add(id);
}

/**
 * The sealed segments that should have a hint file and have none. Where much is
 * overwritten a segment is half dead as soon as it is sealed, and compacted
 * before long, so the newest of that kind are left out.
 *
 * @param segments All segments, in order of file id.
 */
export function unhinted(segments: readonly SegmentState[]): SegmentState[] {
  const candidates = sealed(segments);
  const older = candidates.length - MAX_SPARED_HINTS;
  return candidates.filter(({ flags, deadBytes, sizeBytes }, i) =>
    (flags & HINTED) === 0 && (i < older || deadBytes * 2 < sizeBytes)
  );
}

function writeHints({ log, state }: CompactionContext): void {
  const segments = unhinted(log.list());
  // An opening takes a segment with a hint file for durable.
  if (segments.length > 0) log.commit.syncAll();
  for (const { id } of segments) {
    if (state.stops) return;
    log.flag(id, writeHint(log.directory, id) ? HINTED : DAMAGED);
  }
}

/**
 * The segments worth compacting in the order to take them: the oldest first
 * where all are wanted, so that tombstones find nothing left to hide, else the
 * one with the most dead bytes first.
 *
 * @param segments All segments.
 * @param scope Which ones count.
 * @param among Only segments with these file ids; all by default.
 */
export function candidates(
  segments: readonly SegmentState[],
  scope: CompactionScope,
  among?: ReadonlySet<number>,
): SegmentState[] {
  const oldestDead = oldestDeadRecord(segments);
  const gain = (segment: SegmentState) =>
    segment.deadBytes +
    (segment.minSequence < oldestDead ? segment.tombstoneBytes : 0);
  return sealed(segments).filter((segment) =>
    scope !== "hints" && gain(segment) > 0 && (segment.flags & HELD) === 0 &&
    (among === undefined || among.has(segment.id)) &&
    (scope === "all" || gain(segment) * 2 >= segment.sizeBytes)
  ).sort((a, b) =>
    scope === "all" ? a.minSequence - b.minSequence : gain(b) - gain(a)
  );
}

/** The segments that nothing is appended to any more, and that are sound. */
function sealed(segments: readonly SegmentState[]): SegmentState[] {
  return segments.filter(({ flags }) =>
    (flags & (SEALED | DAMAGED)) === SEALED
  );
}

/**
 * The smallest sequence number that a dead record may have, leaving one
 * segment out. A tombstone older than that has nothing left to hide.
 */
function oldestDeadRecord(
  segments: readonly SegmentState[],
  except?: number,
): number {
  let oldest = Infinity;
  for (const segment of segments) {
    if (segment.id === except || segment.deadRecords === 0) continue;
    oldest = Math.min(oldest, segment.minSequence);
  }
  return oldest;
}

function compactSegment(
  context: CompactionContext,
  segment: SegmentState,
  output: CompactionOutput,
  onProgress: (doneBytes: number) => void,
): void {
  const { log, index } = context;
  const { directory } = log;
  const path = segmentPath(directory, segment.id);
  const current = emptyPointer();
  // What a tombstone of this segment hides was dead before it was written, so
  // records that die from here on make no difference.
  const segments = log.list();
  const oldestDead = oldestDeadRecord(segments, segment.id);
  const damaged = new Set(
    segments.filter(({ flags }) => flags & DAMAGED).map(({ id }) => id),
  );
  // What an unsound record hides may be all that is left of its key.
  const isHidden = (key: Uint8Array) =>
    damaged.has(current.segment) && !isRecordAt(directory, current, key);
  let isHeld = false;
  const visit = (
    header: RecordHeader,
    offset: number,
    record: Uint8Array,
    sound: boolean,
  ) => {
    const key = record.subarray(
      RECORD_HEADER_BYTES,
      RECORD_HEADER_BYTES + header.keyLength,
    );
    const known = index.get(key, current);
    if (header.tombstone && sound) {
      // A newer record of the key hides the older ones as well.
      if (header.sequence > oldestDead && (!known || isHidden(key))) {
        output.addTombstone(record, header.sequence);
      }
    } else if (
      sound && known && current.segment === segment.id &&
      current.offset === offset
    ) output.addValue(key, record, current);
    else if (sound && known && isHidden(key)) isHeld = true;
    onProgress(offset + record.length);
  };
  const scan = scanSegment(path, segment.id, visit);
  if (scan.damage.length > 0 || scan.tailOffset < scan.sizeBytes) {
    output.flush();
    log.flag(segment.id, DAMAGED);
    const { offset, reason } = scan.damage[0] ??
      {
        offset: scan.tailOffset,
        reason: "sealed segment ends in a torn record",
      };
    throw new CorruptionError(path, offset, reason);
  }
  output.flush();
  if (isHeld) {
    log.flag(segment.id, HELD);
    return;
  }
  // Before the segment goes. The copies must be on disk, and so must whatever
  // has overwritten or removed its other records: a power failure would take
  // both the old value and the new one. And so must the removal of the segments
  // before it, whose records its tombstones hid.
  log.commit.syncAll();
  log.assertWritable();
  removeCheckpoint(directory);
  log.remove(segment.id);
}

function sealActive(log: Log): void {
  log.locked(() => {
    const { active } = log.segments;
    if (active === 0) return;
    const { deadBytes, tombstoneBytes } = log.segments.get(active);
    if (deadBytes + tombstoneBytes > 0) log.rotate({ spare: true });
  });
}

function totalBytes(segments: readonly SegmentState[]): number {
  return segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
}
