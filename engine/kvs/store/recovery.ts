/**
 * Opening a store: from the files of a directory to the index.
 *
 * @module
 */

import { fileExists, fileNames, syncDirectory } from "../../files.ts";
import type { Log } from "../log/log.ts";
import {
  hintedBytes,
  hintedSegment,
  hintName,
  readHint,
  removeHint,
  writeHint,
} from "../log/hint.ts";
import { HintEntries, type HintEntry } from "../log/hint_entries.ts";
import { IndexLoader, type UnsoundRecord } from "./loader.ts";
import { RECORD_HEADER_BYTES } from "../log/record.ts";
import {
  type Damage,
  listSegments,
  type RecordVisitor,
  scanFile,
  type ScanResult,
  scanSegment,
  type ScanStart,
  SEGMENT_HEADER_BYTES,
  segmentPath,
} from "../log/segment.ts";
import { DAMAGED, HINTED } from "../log/segment_table.ts";
import { Keydir } from "../index/keydir.ts";
import {
  CHECKPOINT_NAME,
  checkpointedSegments,
  loadCheckpoint,
  removeCheckpoint,
} from "./checkpoint.ts";

/** A segment whose records go into the index. */
export interface SegmentToLoad {
  /** The file id. */
  readonly id: number;
  /** How much of it counts, in bytes. */
  readonly sizeBytes: number;
  /** The file, where it is open already. */
  readonly file?: Deno.FsFile;
}

/** What {@linkcode loadLog} made of a log. */
export interface LoadedLog {
  /** The index, complete. */
  readonly index: Keydir;
  /** Bytes of the log that the checkpoint of the index spared. */
  readonly checkpointBytes: number;
  /** By file id, the state of each segment that was read itself. */
  readonly scans: ReadonlyMap<number, ScanResult>;
  /** Whether there is a checkpoint that could not be used. */
  readonly rejectedCheckpoint: boolean;
  /** The segments with a hint file that could not be used, or is in doubt. */
  readonly rejectedHints: readonly number[];
  /** The ids of hint files without a segment; an id may be given out again. */
  readonly strayHints: readonly number[];
  /** What the checkpoint knows to be damaged; it was not read again. */
  readonly knownDamage: readonly Damage[];
}

/** What {@linkcode recover} made of a directory. */
export interface Recovery extends Pick<LoadedLog, "index" | "checkpointBytes"> {
  /** What was cut off, and what can't be read. */
  readonly damage: readonly Damage[];
}

/**
 * Builds the index and the shared state from the files of a directory, and
 * makes the log ready for writing. Cuts an unfinished last write off a segment.
 *
 * @param log The log to fill, its directory locked by the caller.
 * @param indexBytes The memory the index may use, in bytes.
 * @returns The index and what was found.
 * @throws {IndexFullError} If the keys do not fit in the index.
 */
export function recover(log: Log, indexBytes: number): Recovery {
  const { directory } = log;
  const segments = listSegments(directory).map((id) => ({
    id,
    sizeBytes: Deno.statSync(segmentPath(directory, id)).size,
  }));
  const loaded = loadLog(log, segments, indexBytes);
  const { index, checkpointBytes } = loaded;
  const damage = [...loaded.knownDamage];
  if (loaded.rejectedCheckpoint) {
    damage.push(...shrunkSegments(directory));
    // Once the log has grown again it would look as if it were of this log.
    removeCheckpoint(directory);
  }
  for (const [id, scan] of loaded.scans) {
    damage.push(...settle(directory, id, scan));
  }
  // With what settle() has synced: the names that belong to it.
  syncDirectory(directory);
  for (const id of loaded.strayHints) removeHint(directory, id);
  for (const id of loaded.rejectedHints) {
    damage.push(...replaceHint(log, id));
  }
  const newest = segments.at(-1)?.id;
  if (newest !== undefined && isAppendable(log, newest)) {
    log.segments.activate(newest);
  }
  return { index, damage, checkpointBytes };
}

/**
 * Builds the index and the shared state from segments: from the checkpoint of
 * the index if there is a good one, hint files, and for the rest the log
 * itself. Changes no file.
 *
 * @param log The log to fill.
 * @param segments All segments of the log, in order of file id.
 * @param indexBytes The memory the index may use, in bytes.
 * @returns The index and what was found.
 * @throws {IndexFullError} If the keys do not fit in the index.
 */
export function loadLog(
  log: Log,
  segments: readonly SegmentToLoad[],
  indexBytes: number,
): LoadedLog {
  const { directory } = log;
  const sizes = new Map(segments.map(({ id, sizeBytes }) => [id, sizeBytes]));
  // Cheaper than to try and open each.
  const names = fileNames(directory);
  const checkpoint = names.has(CHECKPOINT_NAME)
    ? loadCheckpoint(log, indexBytes, (id) => sizes.get(id))
    : undefined;
  const checkpointBytes = log.segments.totals().sizeBytes;
  const index = checkpoint ?? Keydir.create(indexBytes);
  index.beginLoading();
  const loader = new IndexLoader(log, index);
  const add = (entry: HintEntry) => loader.add(entry);
  const unsound: UnsoundRecord[] = [];
  const scans = new Map<number, ScanResult>();
  const rejectedHints: number[] = [];
  const knownDamage: Damage[] = [];
  for (const segment of segments) {
    const { id, sizeBytes } = segment;
    const hasHint = names.has(hintName(id));
    log.reserveFileIds(id);
    if (!log.segments.has(id)) {
      log.segments.add(id, 0);
      if (hasHint && readHint(directory, id, sizeBytes, add)) {
        log.segments.setSize(id, sizeBytes);
      } else if (hasHint) rejectedHints.push(id);
    } else if (hasHint && (log.segments.flags(id) & HINTED) === 0) {
      // It was sealed after the checkpoint: the hint knows how long it was then.
      if (hintedBytes(directory, id) !== sizeBytes) rejectedHints.push(id);
    }
    if (hasHint) log.segments.setFlags(id, HINTED);
    const known = log.segments.get(id).sizeBytes;
    if (known === sizeBytes && known >= SEGMENT_HEADER_BYTES) {
      if (log.segments.flags(id) & DAMAGED) {
        knownDamage.push(...scan(directory, segment, () => {}).damage);
        // It may be what shows the damage.
        if (hasHint) rejectedHints.push(id);
      }
      continue;
    }
    scans.set(id, replay(log, segment, loader, unsound));
  }
  // As many of the last writes may be unsound, and no more.
  const limit = log.sequence + unsound.length;
  for (const record of unsound) {
    const sequence = Math.min(record.sequence, limit);
    loader.addUnsound({ ...record, sequence });
  }
  index.endLoading();
  return {
    index,
    checkpointBytes,
    scans,
    rejectedCheckpoint: checkpoint === undefined && names.has(CHECKPOINT_NAME),
    rejectedHints,
    strayHints: [...names].flatMap((name) => {
      const id = hintedSegment(name);
      return id === undefined || sizes.has(id) ? [] : [id];
    }),
    knownDamage,
  };
}

function scan(
  directory: string,
  { id, sizeBytes, file }: SegmentToLoad,
  visit: RecordVisitor,
  start: ScanStart = {},
): ScanResult {
  const path = segmentPath(directory, id);
  return file === undefined
    ? scanSegment(path, id, visit, start)
    : scanFile(file, sizeBytes, path, id, visit, start);
}

/** Reads what the index does not know yet of a segment. */
function replay(
  log: Log,
  segment: SegmentToLoad,
  loader: IndexLoader,
  unsound: UnsoundRecord[],
): ScanResult {
  const { id } = segment;
  const from = log.segments.get(id).sizeBytes || SEGMENT_HEADER_BYTES;
  // In key order they take a fraction of the time: see IndexLoader.add().
  const entries = new HintEntries(segment.sizeBytes);
  const claims: Omit<UnsoundRecord, "olderThan">[] = [];
  const visit: RecordVisitor = (header, offset, record, sound) => {
    if (sound) {
      entries.add(header, offset, record);
      return;
    }
    const keyEnd = RECORD_HEADER_BYTES + header.keyLength;
    claims.push({
      key: record.slice(RECORD_HEADER_BYTES, keyEnd),
      segment: id,
      offset,
      length: record.length,
      sequence: header.sequence,
    });
  };
  // Segments come in order of file id, and in that order they were begun.
  const sequenceBefore = log.sequence;
  const result = scan(log.directory, segment, visit, { from, sequenceBefore });
  const olderThan = Math.max(sequenceBefore, result.maxSequence);
  unsound.push(...claims.map((claim) => ({ ...claim, olderThan })));
  entries.visitSorted(id, (entry) => loader.add(entry));
  if (result.damage.length > 0) log.segments.setFlags(id, DAMAGED);
  // Without its whole header it holds nothing.
  if (result.tailOffset < SEGMENT_HEADER_BYTES) log.segments.drop(id);
  else log.segments.setSize(id, result.tailOffset);
  return result;
}

/** Makes a segment that was replayed end with its last whole record, on disk. */
function settle(
  directory: string,
  id: number,
  { tailOffset, sizeBytes, damage }: ScanResult,
): readonly Damage[] {
  const path = segmentPath(directory, id);
  if (tailOffset < SEGMENT_HEADER_BYTES) {
    // Not even its header was finished when the process died.
    Deno.removeSync(path);
  } else {
    if (tailOffset < sizeBytes) Deno.truncateSync(path, tailOffset);
    // What the process before wrote may not be on disk. From here on it is
    // seen, and compaction drops older values for it.
    using file = Deno.openSync(path);
    file.syncSync();
  }
  if (tailOffset === sizeBytes) return damage;
  return [...damage, {
    path,
    offset: tailOffset,
    length: sizeBytes - tailOffset,
    reason: "unfinished write at the end was cut off",
  }];
}

/**
 * Makes a hint file anew that could not be used. One that knows of more than
 * its segment has stays, and so does the segment, until a repair decides.
 */
function replaceHint(log: Log, id: number): readonly Damage[] {
  const { directory } = log;
  const isThere = log.segments.has(id);
  const offset = isThere ? log.segments.get(id).sizeBytes : 0;
  const length = (hintedBytes(directory, id) ?? 0) - offset;
  const isShorter = length > 0;
  if (!isThere) removeHint(directory, id);
  else if (isShorter) log.segments.setFlags(id, DAMAGED);
  else if ((log.segments.flags(id) & DAMAGED) === 0) {
    try {
      writeHint(directory, id);
    } catch {
      // For instance on a full disk; the next opening tries again.
    }
  }
  const path = segmentPath(directory, id);
  const reason = "segment is shorter than its hint file says";
  return isShorter ? [{ path, offset, length, reason }] : [];
}

function isAppendable(log: Log, id: number): boolean {
  if (!log.segments.has(id)) return false;
  const { sizeBytes, flags } = log.segments.get(id);
  return sizeBytes < log.segmentBytes && (flags & (DAMAGED | HINTED)) === 0;
}

/** The segments that have lost what the checkpoint knew of them. */
function shrunkSegments(directory: string): Damage[] {
  return checkpointedSegments(directory).flatMap(({ id, sizeBytes }) => {
    const path = segmentPath(directory, id);
    // One that is gone may have been compacted just before a power failure.
    if (!fileExists(path)) return [];
    const offset = Deno.statSync(path).size;
    const length = sizeBytes - offset;
    const reason = "segment is shorter than the index checkpoint says";
    return length > 0 ? [{ path, offset, length, reason }] : [];
  });
}
